"""Decoding of every kind of picture."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from src.data.images import decode
from src.errors import DataError

HEIGHT = 48
WIDTH = 64


def smooth_picture() -> np.ndarray:
    """A smooth RGB picture without symmetry."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 5, columns * 3, (rows + columns) * 2], 2).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """A picture file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "form, mode",
    [
        (form, mode)
        for form, modes in (
            ("JPEG", ("RGB", "L", "CMYK")),
            ("PNG", ("RGB", "RGBA", "L", "LA", "P", "1")),
            ("BMP", ("RGB", "L")),
            ("TIFF", ("RGB", "CMYK", "L")),
            ("GIF", ("P", "L")),
            ("WEBP", ("RGB", "RGBA")),
        )
        for mode in modes
    ],
)
def test_every_mode_decodes_to_rgb_as_pillow_shows_it(form: str, mode: str) -> None:
    image = Image.fromarray(smooth_picture()).convert(mode)
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}
    data = saved(image, form, **options.get(form, {}))
    decoded = decode.decode_picture(data, "x")
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int64)
    assert np.abs(decoded - expected).max() <= 1
    if mode in ("RGB", "RGBA", "CMYK"):
        # red is red, and nothing is inverted
        assert np.abs(decoded.astype(np.int64) - smooth_picture()).mean() < 3
    elif mode in ("L", "LA"):
        assert np.array_equal(decoded[..., 0], decoded[..., 2])
    assert decode.picture_size(data) == (HEIGHT, WIDTH)


def test_sixteen_bits_become_eight() -> None:
    deep = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 21).astype(np.uint16)
    for form in (".png", ".tiff"):
        data = cv2.imencode(form, deep)[1].tobytes()
        assert np.array_equal(
            decode.decode_picture(data, "x"), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, 2)
        )
    color = np.stack([deep, deep[::-1], deep[:, ::-1]], 2)
    data = cv2.imencode(".png", color)[1].tobytes()
    assert np.array_equal(decode.decode_picture(data, "x"), (color[..., ::-1] >> 8).astype(np.uint8))


def test_transparent_palette_and_animation_take_the_first_frame() -> None:
    frames = [Image.fromarray(smooth_picture()).convert("P"), Image.new("P", (WIDTH, HEIGHT), 3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(
        decode.decode_picture(data, "x"), np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    )
    data = saved(frames[0], "PNG", transparency=bytes(range(256)))
    assert np.array_equal(decode.decode_picture(data, "x"), np.asarray(frames[0].convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_exif_orientation(orientation: int, form: str) -> None:
    """As displayed by default; as stored where the annotations' size fits only that."""
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(Image.fromarray(smooth_picture()), form, exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    stored = np.asarray(Image.open(io.BytesIO(data)))
    swapped = orientation >= 5
    assert decode.picture_size(data) == shown.shape[:2] == ((WIDTH, HEIGHT) if swapped else (HEIGHT, WIDTH))
    for size, expected in (
        (None, shown),
        (shown.shape[:2], shown),
        ((HEIGHT, WIDTH), stored if swapped else shown),
    ):
        assert np.array_equal(decode.decode_picture(data, "x", size), expected)
        decode.check_header(data, "x", size)
    for check in (decode.decode_picture, decode.check_header):
        with pytest.raises(DataError, match="pic.jpg.*annotations say 20x10"):
            check(data, "pic.jpg", (10, 20))


def test_what_is_not_a_picture_names_the_picture(tmp_path: Path) -> None:
    jpeg = saved(Image.fromarray(smooth_picture()), "JPEG")
    png = saved(Image.fromarray(smooth_picture()), "PNG")
    bad = {
        "empty": b"",
        "text": b"hello",
        "half.jpg": jpeg[: len(jpeg) // 2],
        "half.png": png[: len(png) // 2],
        "head.jpg": jpeg[:10],
        "broken.png": png[:60] + bytes(40) + png[100:],
    }
    for name, data in bad.items():
        with pytest.raises(DataError, match=f"picture .*{name}") as error:
            decode.decode_picture(data, name)
        assert "\n" not in str(error.value)
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"picture .*{name}"):
            decode.read_picture(tmp_path / name)
    with pytest.raises(DataError, match="half.jpg"):
        decode.check_header(bad["half.jpg"], "half.jpg", (HEIGHT, WIDTH))
    with pytest.raises(DataError, match="float.tiff.*kind 'F'"):
        decode.decode_picture(saved(Image.new("F", (4, 4)), "TIFF"), "float.tiff")
    for read in (decode.read_picture, decode.picture_size):
        with pytest.raises(DataError, match="No such file"):
            read(str(tmp_path / "none.jpg"))
        with pytest.raises(DataError, match="directory"):
            read(str(tmp_path))


def test_a_picture_of_a_billion_pixels_is_refused_at_once() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">2I5B", 30000, 30000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    for check in (decode.decode_picture, decode.picture_size):
        with pytest.raises(DataError, match="bomb.png.*decompression bomb"):
            check(bomb, "bomb.png")
