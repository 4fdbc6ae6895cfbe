"""16-bit pictures of which only some bits are used."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from src.data.images.decode import decode_picture
from src.data.images.picture_checks import check_picture
from src.errors import DataError
from tests.data.check.checking import check, found
from tests.data.images.deep_files import png_16bit, random_values, tiff

# the largest value, and the shift that the rule says
LARGEST = [(0, 0), (1, 0), (255, 0), (256, 2), (1023, 2), (1024, 4), (4095, 4), (4096, 6), (16383, 6)]
LARGEST += [(16384, 8), (65535, 8)]


def rgb(values, shift):
    """uint8 [H, W, 3] of uint16 [H, W, channels]."""
    pixels = (values >> shift).astype(np.uint8)
    return pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, 2)


@pytest.mark.parametrize("largest, shift", LARGEST)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_values_are_shifted_by_the_bits_that_are_used(largest, shift, channels):
    values = random_values(channels, largest) if largest else np.zeros((6, 8, channels), np.uint16)
    assert np.array_equal(decode_picture(png_16bit(values), "x"), rgb(values, shift))
    if channels != 2:
        for order in "<>":
            assert np.array_equal(decode_picture(tiff(values, order), "x"), rgb(values, shift))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_the_orientation_of_a_tiff_is_kept(orientation, channels):
    low = random_values(channels, 4095)
    eight = (low >> 4).astype(np.uint8)
    turned = decode_picture(tiff(eight, orientation=orientation), "x")
    assert np.array_equal(decode_picture(tiff(low, orientation=orientation), "x"), turned)


@pytest.mark.parametrize(
    "largest, text",
    [
        (222, "8 of 16 bits used: values kept"),
        (4000, "12 of 16 bits used: values divided by 16"),
        (40000, "16 of 16 bits used: values divided by 256"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_finding_says_what_was_done(tmp_path, largest, text, channels):
    path = tmp_path / "a.png"
    path.write_bytes(png_16bit(random_values(channels, largest)))
    assert check_picture(path, (6, 8)) == [("picture_16bit", text)]
    ((kind, _),) = check_picture(path, (6, 8), decode=False)
    assert kind == "picture_16bit"


@pytest.mark.parametrize("channels", [1, 3])
def test_half_a_file_is_not_decoded(tmp_path, channels):
    data = png_16bit(random_values(channels, 4000, size=(60, 80)))
    path = tmp_path / "a.png"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="a.png"):
        decode_picture(path.read_bytes(), path)
    for decode in (True, False):
        assert check_picture(path, (60, 80), decode)[-1][0] == "picture_truncated"


def test_the_reported_pictures_of_few_bits(shared):
    root = shared / "data/reports/low16"
    result = check(root, "coco_classes=auto")
    details = [one["detail"] for one in found(result, "picture_16bit")]
    assert len(details) == 4
    for record, detail in zip(result.source.records, details):
        data = np.fromfile(record.path, np.uint8)
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert values.max() < 256
        assert "8 of 16 bits used: values kept" in detail
        pixels = decode_picture(data.tobytes(), record.path)
        assert np.array_equal(pixels, np.repeat(values[..., None], 3, 2))
