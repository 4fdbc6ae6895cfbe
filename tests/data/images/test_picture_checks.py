"""Every mistake that a picture file can hold, made on the spot; and files of the wild, dirty and clean."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from PIL import Image

from src.config import load_config
from src.data.check.data_check import check_data, report_text
from src.data.finding_kinds import KINDS
from src.data_settings import data_check_settings
from tests.data.check.checking import CLASSES, check, found, said_before_training


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says it is 40000x40000."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def of_mode(mode: str, form: str = "PNG") -> Callable[[Path], None]:
    """A function that makes a picture of one of Pillow's modes."""
    return lambda path: Image.new("RGB", (128, 96), (9, 99, 200)).convert(mode).save(path, form)


def exif_rotated(path: Path) -> None:
    """Annotated as it is displayed."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (96, 128)).save(path, "JPEG", exif=exif)


def exif_ignored(path: Path) -> None:
    """Annotated as it is stored."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (128, 96)).save(path, "JPEG", exif=exif)


def cut_off(share: float, form: str = "JPEG") -> Callable[[Path], None]:
    """A function that makes a picture file of which only the first share is left."""

    def make(path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, form)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return make


def broken_inside(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(path, "PNG")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def linked(path: Path) -> None:
    (path.parents[2] / "elsewhere.jpg").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(path.parents[2] / "elsewhere.jpg")


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (128, 96), (80 * i, 9, 9)) for i in range(3)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


PICTURES = [
    ("picture_missing", Path.unlink, "off"),
    ("picture_empty", lambda path: path.write_bytes(b""), "quick"),
    ("picture_truncated", cut_off(0.6), "quick"),
    ("picture_truncated", cut_off(0.01), "quick"),
    ("picture_truncated", cut_off(0.6, "PNG"), "quick"),
    ("picture_not", lambda path: path.write_text("<html>not found</html>"), "quick"),
    ("picture_bomb", bomb, "quick"),
    ("picture_unreadable", as_folder, "quick"),
    ("picture_unreadable", of_mode("I", "TIFF"), "quick"),
    ("picture_unreadable", of_mode("F", "TIFF"), "quick"),
    ("picture_unreadable", broken_inside, "full"),
    ("picture_turned", exif_rotated, "quick"),
    ("picture_stored", exif_ignored, "quick"),
    ("picture_grey", of_mode("L", "JPEG"), "quick"),
    ("picture_grey", of_mode("1"), "quick"),
    ("picture_cmyk", of_mode("CMYK", "JPEG"), "quick"),
    ("picture_alpha", of_mode("RGBA"), "quick"),
    ("picture_palette", of_mode("P"), "quick"),
    ("picture_animated", animated, "quick"),
    ("image_link", linked, "quick"),
    (
        "picture_16bit",
        lambda path: Image.fromarray(np.full((96, 128), 40000, np.uint16)).save(path, "PNG"),
        "quick",
    ),
]


@pytest.mark.parametrize(
    "kind, make, mode", PICTURES, ids=[f"{number}-{case[0]}" for number, case in enumerate(PICTURES)]
)
def test_each_kind_of_picture(
    coco_folder: Callable, caplog: pytest.LogCaptureFixture, kind: str, make: Callable, mode: str
) -> None:
    root = coco_folder(pictures=3)
    path = root / "train2017" / "000002.jpg"
    make(path)
    for level in ("quick", "full"):
        result = check(root, f"check_data={level}")
        findings = found(result, kind)
        assert len(findings) == (1 if level == "full" or mode != "full" else 0)
        for finding in findings:
            assert (finding["place"], finding["image_id"]) == ("images[1]", 20)
            assert ("elsewhere.jpg" if kind == "image_link" else "000002.jpg") in finding["detail"]
    fatal = KINDS[kind].action == "fatal"
    assert result.exit_code == (2 if fatal else 0)
    assert len(result.source.records) == (2 if fatal else 3)
    lines, error = said_before_training(result, root, caplog)
    assert sum(f"1 x {KINDS[kind].text}" in line for line in lines) == 1
    assert fatal == (error is not None)
    if fatal:
        assert "000002.jpg of image 20" in error
        assert error.endswith("; replace it, or leave such pictures out with bad_pictures=skip")
    skipping = check(root, "bad_pictures=skip")
    assert skipping.exit_code == (1 if fatal else 0)
    assert len(skipping.source.records) == len(result.source.records)
    # the annotations alone are fine
    assert check(root, "check_data=off").exit_code == 0
    if os.path.islink(path):
        assert "elsewhere.jpg" in found(result, "image_link")[0]["detail"]


@pytest.mark.parametrize("level", ["quick", "full"])
def test_32_bit_pixels_are_not_said_to_be_converted(coco_folder: Callable, level: str) -> None:
    root = coco_folder(pictures=3)
    of_mode("I", "TIFF")(root / "train2017" / "000002.jpg")
    result = check(root, f"check_data={level}")
    assert set(result.findings.counts) == {"picture_unreadable", "category_gaps"}
    (finding,) = found(result, "picture_unreadable")
    assert finding["detail"].endswith("pixels of kind 'I' are not supported; save it as 8-bit RGB")


@pytest.mark.parametrize(
    "name",
    [
        "coco_zero_height.json",
        "null_sizes_and_wrong_keys.json",
        "crowd_rle_and_empty_segmentation.json",
        "mixed_int_str_ids.json",
    ],
)
@pytest.mark.parametrize("classes", ["coco_classes=auto", CLASSES])
def test_dirty_files_of_the_wild_give_a_report(shared: Path, tmp_path: Path, name: str, classes: str) -> None:
    result = check_data(
        data_check_settings(
            load_config([f"coco_root={tmp_path}", f"ann_file={shared}/data/dirty/{name}", classes]), "val"
        ),
        quiet=True,
    )
    assert result.findings.counts
    assert all("\n" not in line for line in report_text(result))
    json.dumps(result.as_json())
    expected = {
        "coco_zero_height.json": {"file_form"},
        "null_sizes_and_wrong_keys.json": {"picture_missing", "large_id"},
        "crowd_rle_and_empty_segmentation.json": {"category_gaps", "picture_missing"},
        "mixed_int_str_ids.json": {"respelled", "picture_missing"},
    }
    assert expected[name] <= set(result.findings.counts)


def test_real_data_is_clean(shared: Path) -> None:
    result = check_data(
        data_check_settings(load_config([f"coco_root={shared}/data/coco"]), "val"), quiet=True
    )
    assert result.exit_code == 0
    assert len(result.source.records) == 66
    config = load_config(
        [f"coco_root={shared}/data/nuclei", "train_data_type=train2018", "coco_classes=auto"]
    )
    nuclei = check_data(data_check_settings(config), quiet=True)
    assert not nuclei.findings.counts
