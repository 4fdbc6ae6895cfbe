"""MindRecord files against those of MindSpore's own writer, and read by MindSpore's own reader."""

from __future__ import annotations

import sqlite3
import zlib

import numpy as np
import pytest

from src.data.mindrecord import file_format
from src.data.mindrecord.file_format import HEADER, MindRecordWriter, divide_into_pages

IDS = [
    0,
    1,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31,
    2**32,
    2**40,
    2**63 - 1,
    -1,
    -32,
    -33,
    -128,
    -129,
    -(2**15),
    -(2**31) - 1,
    -(2**63),
]


def rows_of(count, size=3000):
    """(annotation, picture) of each row, random bytes of rising sizes."""
    random = np.random.default_rng(3)
    return [(random.bytes(7 * number), random.bytes(size + 211 * number)) for number in range(count)]


def write(path, rows, ids):
    """Write a file; the WrittenRow of each row."""
    sizes = [len(annotation) + len(picture) for annotation, picture in rows]
    writer = MindRecordWriter(str(path), sizes, ids)
    written = list(writer.write(rows))
    assert writer.crc == zlib.crc32(path.read_bytes())
    return written


def index_of(path):
    """The rows of the two tables of a file's index."""
    database = sqlite3.connect(f"{path}.db")
    rows = database.execute(
        "SELECT ROW_ID, PAGE_ID_RAW, PAGE_OFFSET_RAW, PAGE_OFFSET_RAW_END, ROW_GROUP_ID, "
        "PAGE_ID_BLOB, PAGE_OFFSET_BLOB, "
        "PAGE_OFFSET_BLOB_END, INC_0, image_id_0 FROM INDEXES ORDER BY ROW_ID"
    ).fetchall()
    names = database.execute("SELECT * FROM SHARD_NAME").fetchall()
    database.close()
    return rows, names


@pytest.mark.parametrize("largest", [1 << 28, 60000])
def test_files_are_those_of_mindspore(tmp_path, monkeypatch, largest):
    """The same bytes, and the same index, for one page and for several."""
    from mindspore.mindrecord import FileReader, FileWriter

    monkeypatch.setattr(file_format, "LARGEST_PAGE", largest)
    rows = rows_of(len(IDS), 6000)
    (tmp_path / "mine").mkdir()
    mine = tmp_path / "mine/a.mindrecord"
    theirs = tmp_path / "a.mindrecord"
    written = write(mine, rows, IDS)
    sizes = [len(annotation) + len(picture) + 24 for annotation, picture in rows]
    layout = divide_into_pages(np.array(sizes))
    assert (len(layout.pages) == 1) == (largest == 1 << 28)
    writer = FileWriter(str(theirs), shard_num=1)
    writer.set_header_size(HEADER)
    writer.set_page_size(layout.page_size)
    writer.add_schema(
        {"image_id": {"type": "int64"}, "picture": {"type": "bytes"}, "annotation": {"type": "bytes"}},
        "mask r-cnn",
    )
    writer.write_raw_data(
        [
            {"image_id": image_id, "picture": picture, "annotation": annotation}
            for image_id, (annotation, picture) in zip(IDS, rows)
        ]
    )
    writer.commit()
    assert mine.read_bytes() == theirs.read_bytes()
    assert index_of(mine) == index_of(theirs)
    reader = FileReader(str(mine))
    read = [(row["image_id"], row["annotation"], row["picture"]) for row in reader.get_next()]
    reader.close()
    assert read == [(image_id, annotation, picture) for image_id, (annotation, picture) in zip(IDS, rows)]
    data = mine.read_bytes()
    for (offset, crc), (annotation, picture) in zip(written, rows):
        assert data[offset + 16 : offset + 16 + len(annotation)] == annotation
        assert zlib.crc32(data[offset : offset + 24 + len(annotation) + len(picture)]) == crc


def test_hardly_anything_is_padding(tmp_path, monkeypatch):
    rows = rows_of(200, 60)
    held = sum(len(annotation) + len(picture) for annotation, picture in rows)
    write(tmp_path / "one", rows, list(range(200)))
    assert (tmp_path / "one").stat().st_size <= held + HEADER + 200 * (24 + 27) + 4
    monkeypatch.setattr(file_format, "LARGEST_PAGE", 400_000)
    write(tmp_path / "many", rows, list(range(200)))
    assert held > 10 * 400_000
    assert (tmp_path / "many").stat().st_size <= 1.2 * held


def test_a_full_disk_is_an_error_of_the_system():
    with pytest.raises(OSError, match="No space left"):
        list(MindRecordWriter("/dev/full", [3], [1]).write([(b"a", b"bc")]))
