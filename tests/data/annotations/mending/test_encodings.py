"""Annotation files in UTF-8, UTF-16 and UTF-32."""

from __future__ import annotations

import dataclasses

import pytest

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data.check.data_check import check_data
from src.data_settings import annotation_settings, data_check_settings
from src.errors import DataError
from tests.data.check.checking import CLASSES, JSON, check

ENCODINGS = [
    ("utf-8", {}),
    ("utf-8-sig", {"byte_order_mark": 1}),
    *((name, {"file_encoding": 1}) for name in ("utf-16", "utf-16-le", "utf-16-be")),
    *((name, {"file_encoding": 1}) for name in ("utf-32", "utf-32-le", "utf-32-be")),
]


@pytest.mark.parametrize("encoding, counts", ENCODINGS)
def test_json_in_any_encoding(coco_folder, encoding, counts):
    def change(content):
        content["images"][1]["file_name"] = "\u87ba\u6813.jpg"

    root = coco_folder(change=change)
    (root / "train2017/000002.jpg").rename(root / "train2017/\u87ba\u6813.jpg")
    path = root / JSON
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    result = check(root)
    assert result.findings.counts == {**counts, "category_gaps": 1}
    assert result.source.records[1].path.endswith("\u87ba\u6813.jpg")
    assert sum(len(record.boxes) for record in result.source.records) == 18


@pytest.mark.parametrize("encoding, counts", ENCODINGS)
def test_rows_in_any_encoding(tmp_path, coco_folder, encoding, counts):
    folder = coco_folder() / "train2017"
    rows = tmp_path / "rows.txt"
    rows.write_bytes("000001.jpg 1,2,30,40,1\n000002.jpg 5,6,30,40,2\n".encode(encoding))
    config = load_config(["dataset=other", f"IMAGE_DIR={folder}", f"ANNO_PATH={rows}", CLASSES])
    result = check_data(data_check_settings(config), quiet=True)
    assert result.findings.counts == counts
    assert [record.labels.tolist() for record in result.source.records] == [[1], [2]]


@pytest.mark.parametrize(
    "data, words",
    [
        (b'{\n"a": "\xe9"}', ":2: not UTF-8 text"),
        ('{"a": 1}'.encode("utf-16") + b"\0", "not UTF-16 text"),
        (b"{\0\0\0\0", "not UTF-32-LE text"),
    ],
)
def test_bytes_of_no_encoding_are_one_line(tmp_path, data, words):
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_coco(dataclasses.replace(annotation_settings(load_config()), path=path))
    assert words in str(error.value)
    assert "save the file as UTF-8" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_reported_byte_order_mark(shared):
    root = shared / "data/reports"
    result = check(root / "demo_bom", "coco_classes=auto", split="val")
    clean = check(root / "demo_clean", "coco_classes=auto", split="val")
    assert result.findings.counts == {"byte_order_mark": 1, **clean.findings.counts}
