"""Decoding of every kind of picture, and geometry against arithmetic."""
from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from src.config import load_config
from src.data import transforms
from src.errors import ConfigError, DataError

HEIGHT, WIDTH = 48, 64


def picture():
    """A smooth RGB picture without symmetry."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 5, columns * 3, (rows + columns) * 2], 2).astype(np.uint8)


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form, mode", [(form, mode) for form, modes in (
    ("JPEG", ("RGB", "L", "CMYK")), ("PNG", ("RGB", "RGBA", "L", "LA", "P", "1")), ("BMP", ("RGB", "L")), ("TIFF", ("RGB", "CMYK", "L")),
    ("GIF", ("P", "L")), ("WEBP", ("RGB", "RGBA"))) for mode in modes])
def test_every_mode_decodes_to_rgb_as_pillow_shows_it(form, mode):
    image = Image.fromarray(picture()).convert(mode)
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    data = saved(image, form, **options)
    decoded = transforms.decode_picture(data, "x")
    assert decoded.shape == (HEIGHT, WIDTH, 3) and decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int64)
    assert np.abs(decoded - expected).max() <= 1
    if mode in ("RGB", "RGBA", "CMYK"):
        assert np.abs(decoded.astype(np.int64) - picture()).mean() < 3        # red is red, and nothing is inverted
    elif mode in ("L", "LA"):
        assert np.array_equal(decoded[..., 0], decoded[..., 2])
    assert transforms.picture_size(data) == (HEIGHT, WIDTH)


def test_sixteen_bits_become_eight():
    deep = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 21).astype(np.uint16)
    for form in (".png", ".tiff"):
        data = cv2.imencode(form, deep)[1].tobytes()
        assert np.array_equal(transforms.decode_picture(data, "x"), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, 2))
    color = np.stack([deep, deep[::-1], deep[:, ::-1]], 2)
    data = cv2.imencode(".png", color)[1].tobytes()
    assert np.array_equal(transforms.decode_picture(data, "x"), (color[..., ::-1] >> 8).astype(np.uint8))


def test_transparent_palette_and_animation_take_the_first_frame():
    frames = [Image.fromarray(picture()).convert("P"), Image.new("P", (WIDTH, HEIGHT), 3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(transforms.decode_picture(data, "x"), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    data = saved(frames[0], "PNG", transparency=bytes(range(256)))
    assert np.array_equal(transforms.decode_picture(data, "x"), np.asarray(frames[0].convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_exif_orientation(orientation, form):
    """As displayed by default; as stored where the annotations' size fits only that (a turned picture annotated before turning)."""
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(Image.fromarray(picture()), form, exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    stored = np.asarray(Image.open(io.BytesIO(data)))
    turned = orientation >= 5
    assert transforms.picture_size(data) == shown.shape[:2] == ((WIDTH, HEIGHT) if turned else (HEIGHT, WIDTH))
    for size, expected in ((None, shown), (shown.shape[:2], shown), ((HEIGHT, WIDTH), stored if turned else shown)):
        assert np.array_equal(transforms.decode_picture(data, "x", size), expected)
        transforms.check_header(data, "x", size)
    for check in (transforms.decode_picture, transforms.check_header):
        with pytest.raises(DataError, match="pic.jpg.*annotations say 20x10"):
            check(data, "pic.jpg", (10, 20))


def test_what_is_not_a_picture_names_the_picture(tmp_path):
    jpeg, png = saved(Image.fromarray(picture()), "JPEG"), saved(Image.fromarray(picture()), "PNG")
    bad = {"empty": b"", "text": b"hello", "half.jpg": jpeg[:len(jpeg) // 2], "half.png": png[:len(png) // 2], "head.jpg": jpeg[:10],
           "broken.png": png[:60] + bytes(40) + png[100:]}
    for name, data in bad.items():
        with pytest.raises(DataError, match=f"picture .*{name}") as error:
            transforms.decode_picture(data, name)
        assert "\n" not in str(error.value)
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"picture .*{name}"):
            transforms.read_picture(tmp_path / name)
    with pytest.raises(DataError, match="half.jpg"):
        transforms.check_header(bad["half.jpg"], "half.jpg", (HEIGHT, WIDTH))
    with pytest.raises(DataError, match="float.tiff.*kind 'F'"):
        transforms.decode_picture(saved(Image.new("F", (4, 4)), "TIFF"), "float.tiff")
    for read in (transforms.read_picture, transforms.picture_size):
        with pytest.raises(DataError, match="No such file"):
            read(str(tmp_path / "none.jpg"))
        with pytest.raises(DataError, match="directory"):
            read(str(tmp_path))


def test_a_picture_of_a_billion_pixels_is_refused_at_once():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = chunk(b"IHDR", struct.pack(">2I5B", 30000, 30000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    for check in (transforms.decode_picture, transforms.picture_size):
        with pytest.raises(DataError, match="bomb.png.*decompression bomb"):
            check(bomb, "bomb.png")


def test_resized_size():
    config = load_config()
    assert transforms.resized_size(480, 640, config) == (768, 1024)
    assert transforms.resized_size(427, 640, config) == (768, 1151)
    assert transforms.resized_size(300, 1000, config) == (384, 1280)
    assert transforms.resized_size(1, 5000, config) == (1, 1280)
    assert transforms.resized_size(480, 640, load_config(["keep_ratio=False"])) == (768, 1280)
    short = load_config(["resize=short_side", "img_width=1344", "img_height=1344"])
    assert transforms.resized_size(480, 640, short) == (800, 1067)
    assert transforms.resized_size(640, 480, short) == (1067, 800)
    assert transforms.resized_size(300, 1000, short) == (400, 1333)
    with pytest.raises(ConfigError, match="img_width=1344 img_height=1344"):
        transforms.resized_size(480, 640, load_config(["resize=short_side"]))


def test_flip_known_value():
    assert transforms.flip_boxes(np.array([[10., 10, 200, 300]]), 400).tolist() == [[200, 10, 390, 300]]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.lists(st.tuples(*[st.integers(0, 3000)] * 4), max_size=4))
def test_flipping_boxes_twice_is_nothing(width, boxes):
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    assert np.array_equal(transforms.flip_boxes(transforms.flip_boxes(boxes, width), width), boxes)


def test_plain_placement_is_a_half_pixel_correct_resize():
    """Twice the size: pixel centres fall on quarters, (3a + b) / 4, and the border repeats. The rest of the canvas is 0."""
    config = load_config(["img_width=128", "img_height=128"])
    source = picture()
    placement = transforms.place_plainly(HEIGHT, WIDTH, config)
    assert placement.meta.tolist() == [96, 128, 2, 2, 48, 64]
    canvas = transforms.place_picture(source, placement, config, np.full((128, 128, 3), 9, np.uint8))
    assert not canvas[96:].any()
    row = source[0, :, 1].astype(np.float64)
    assert np.allclose(canvas[0, 1:-1:2, 1], (3 * row[:-1] + row[1:]) / 4, atol=1) and canvas[0, 0, 1] == row[0]
    assert transforms.place_boxes([[0, 0, 64, 48], [1, 2, 3.5, 4]], placement).tolist() == [[0, 0, 128, 96], [2, 4, 7, 8]]


def test_random_placements_follow_their_probabilities():
    config = load_config()
    drawn = [transforms.place_randomly(480, 640, config, np.random.default_rng(seed)) for seed in range(2000)]
    assert 0.46 < np.mean([p.flip for p in drawn]) < 0.54
    expanded = [p for p in drawn if p.height < 768]
    assert 0.46 < len(expanded) / len(drawn) < 0.54
    ratios = [p.filled_height / p.height for p in expanded]
    assert 1 <= min(ratios) < 1.1 and 3.9 < max(ratios) < 4.02 and 2.4 < np.mean(ratios) < 2.6
    assert all(0 <= p.top <= p.filled_height - p.height and 0 <= p.left <= p.filled_width - p.width for p in drawn)
    assert {(p.filled_height, p.filled_width) for p in drawn} == {(768, 1024)}
    never = load_config(["expand_ratio=0", "flip_ratio=1"])
    drawn = [transforms.place_randomly(480, 640, never, np.random.default_rng(seed)) for seed in range(50)]
    assert all(p.flip and p.height == 768 for p in drawn)


def test_boxes_stay_on_their_pixels():
    """A bright rectangle on black, placed at random: the pixels over half brightness fill the placed box."""
    source = np.zeros((120, 160, 3), np.uint8)
    source[30:90, 40:70] = 255
    config = load_config(["img_width=512", "img_height=384", "img_mean=[0,0,0]"])
    for seed in range(30):
        placement = transforms.place_randomly(120, 160, config, np.random.default_rng(seed))
        canvas = transforms.place_picture(source, placement, config)
        rows, columns = np.nonzero(canvas[..., 0] > 127)
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(found - transforms.place_boxes([[40, 30, 70, 90]], placement)[0]).max() <= 1


@pytest.mark.parametrize(("words", "mean", "padding"), [
    ((), [124, 116, 104], [0, 0, 0]), (("padding=mean",), [124, 116, 104], [124, 116, 104]),
    (("padding=mean", "channel_order=BGR", "img_mean=[103.53, 116.28, 123.675]"), [124, 116, 104], [124, 116, 104])])
def test_expansion_is_filled_with_the_mean_and_padding_as_configured(words, mean, padding):
    """The picture is RGB whatever the order of the network's channels, in which the statistics are written."""
    config = load_config(["img_width=128", "img_height=128", "flip_ratio=0", *words])
    for seed in range(20):
        placement = transforms.place_randomly(48, 64, config, np.random.default_rng(seed))
        canvas = transforms.place_picture(np.full((48, 64, 3), 200, np.uint8), placement, config)
        inside = np.zeros((128, 128), bool)
        inside[placement.top:placement.top + placement.height, placement.left:placement.left + placement.width] = True
        assert (canvas[inside] == 200).all() and (canvas[96:] == padding).all()
        assert (canvas[:96][~inside[:96]] == mean).all()
