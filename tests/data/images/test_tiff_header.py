"""TIFF files that Pillow cannot open: one line says what is in them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from src.data.images.decode import decode_picture, picture_size, read_picture
from src.data.images.picture_checks import check_picture
from src.errors import DataError
from tests.data.check.checking import check, found
from tests.data.images.deep_files import random_values, tiff


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "values, options, words",
    [
        (random_values(5, 200, np.uint8), {"photometric": 1, "extra": (0,) * 4}, "5 channels of 8 bits"),
        (random_values(5, 200, np.uint8), {}, "5 channels of 8 bits"),
        (random_values(5, 200), {"extra": (0, 0)}, "5 channels of 16 bits"),
        (random_values(13, 200), {"photometric": 1, "extra": (0,) * 12}, "13 channels of 16 bits"),
        (random_values(2, 200), {}, "2 channels of 16 bits"),
        (random_values(2, 200, np.uint8), {}, "2 channels of 8 bits"),
        (random_values(3, 200).astype(np.float32), {}, "3 channels of 32 floating-point bits"),
        (random_values(1, 200).astype(np.float64), {}, "1 channel of 64 floating-point bits"),
    ],
)
def test_what_is_in_the_file_is_said(tmp_path, order, values, options, words):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, order, **options))
    messages = [check_picture(path, (6, 8), decode)[-1] for decode in (True, False)]
    if "16 bits" in words and "extra" in options and len(options) == 1:
        messages.pop()  # Pillow opens it: its header alone does not tell
    for kind, detail in messages:
        assert kind == "picture_unreadable"
        assert words in detail
        assert "supported are grey (1 channel), RGB (3), RGBA and CMYK (4)" in detail
    with pytest.raises(DataError, match=words) as error:
        read_picture(path)
    assert re.fullmatch(r"picture .*a\.tif: [^\n]*save it as 8-bit RGB", str(error.value))


def test_the_size_of_such_a_file_is_one_line_too(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(random_values(5, 200, np.uint8)))
    with pytest.raises(DataError, match="5 channels"):
        picture_size(path)
    path.write_bytes(path.read_bytes()[:60])
    assert check_picture(path, (6, 8))[-1][0] == "picture_truncated"


def test_floating_and_signed_grey_is_one_line(tmp_path):
    for values in (random_values(1, 200).astype(np.float32), random_values(1, 200).astype(np.int16)):
        path = tmp_path / f"{values.dtype}.tif"
        path.write_bytes(tiff(values))
        kind, detail = check_picture(path, (6, 8))[-1]
        assert kind == "picture_unreadable"
        assert "save it as 8-bit RGB" in detail
        assert "\n" not in detail


def test_more_channels_than_rgb_that_can_be_told_apart_are_dropped_and_said(tmp_path):
    values = random_values(5, 200, np.uint8)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, extra=(0, 0)))
    assert check_picture(path, (6, 8)) == [("picture_channels", "5 channels")]
    assert np.array_equal(decode_picture(path.read_bytes(), path), values[..., :3])


def test_the_reported_file_of_five_channels(shared):
    result = check(shared / "data/reports/tiff_5band", "coco_classes=auto")
    ones = found(result, "picture_unreadable")
    assert len(ones) == 4
    assert "a TIFF with 5 channels of 16 bits; supported are" in ones[0]["detail"]
    assert result.exit_code == 2
