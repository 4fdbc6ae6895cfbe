"""PNG files with much text."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from src.data.images.decode import decode_picture, picture_size
from src.data.images.picture_checks import check_picture
from src.errors import DataError
from tests.data.check.checking import check
from tests.data.images.deep_files import png_16bit, png_chunk, random_values


def text_chunk(megabytes):
    return png_chunk(b"zTXt", b"work-flow\0\0" + zlib.compress(b"x" * (megabytes << 20)))


@pytest.mark.parametrize("chunks", [[3], [30, 30]])
def test_megabytes_of_text_are_passed_over(tmp_path, chunks):
    values = random_values(3, 65535)
    path = tmp_path / "a.png"
    path.write_bytes(png_16bit(values, b"".join(text_chunk(size) for size in chunks)))
    assert picture_size(path) == (6, 8)
    assert [kind for kind, _ in check_picture(path, (6, 8))] == ["picture_16bit"]
    assert np.array_equal(decode_picture(path.read_bytes(), path), values >> 8)


@pytest.mark.parametrize("chunks", [[65], [30, 30, 30]])
def test_texts_that_fill_the_memory_are_refused(tmp_path, chunks):
    path = tmp_path / "a.png"
    path.write_bytes(png_16bit(random_values(3, 65535), b"".join(text_chunk(size) for size in chunks)))
    kind, detail = check_picture(path, (6, 8))[-1]
    assert kind == "picture_unreadable"
    assert "too large" in detail.lower() or "too much memory" in detail.lower()
    with pytest.raises(DataError, match=r"a\.png") as error:
        decode_picture(path.read_bytes(), path)
    assert "\n" not in str(error.value)


def test_the_reported_file(shared):
    result = check(shared / "data/reports/png_text", "coco_classes=auto")
    assert result.findings.counts == {}
    assert len(result.source.records) == 4
    for record in result.source.records:
        with open(record.path, "rb") as file:
            pixels = decode_picture(file.read(), record.path, (record.height, record.width))
        assert pixels.std() > 0
