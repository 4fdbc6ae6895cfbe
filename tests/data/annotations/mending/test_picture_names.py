"""Picture names that differ from the files': backslashes, Unicode forms, LVIS's URLs, odd characters."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from src.data.annotations.mending import picture_names
from src.data.annotations.mending.picture_names import NormalisedNames, leads_out, name_from_url
from src.data.check.data_check import report_text
from tests.data.check.checking import check, found

NFC = unicodedata.normalize("NFC", "\u00e9t\u00e9 \u00fc.jpg")
NFD = unicodedata.normalize("NFD", NFC)


def rename(root, name):
    """Give the second training picture another name."""
    folder = root / "train2017"
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(folder / "000002.jpg", path)


def named(name):
    return lambda content: content["images"][1].update(file_name=name)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("a.jpg", False),
        ("a/../b.jpg", False),
        ("a\\b.jpg", False),
        ("..b.jpg", False),
        ("a/../../b.jpg", True),
        ("..\\..\\x.jpg", True),
        ("a\\..\\..\\x.jpg", True),
        ("a/..\\../x.jpg", True),
        ("/x.jpg", True),
        ("\\x.jpg", True),
        ("C:\\x.jpg", True),
        ("c:/x.jpg", True),
        ("a\0.jpg", True),
    ],
)
def test_names_that_lead_out(name, expected):
    assert leads_out(name) == expected


@pytest.mark.parametrize(
    "url, name",
    [
        ("http://images.cocodataset.org/train2017/000000391895.jpg", "000000391895.jpg"),
        ("http://a/b%20c.jpg?size=1#top", "b c.jpg"),
        ("d.jpg", "d.jpg"),
        ("http://a/", None),
        ("", None),
        (None, None),
        (5, None),
        ("http://[", None),
    ],
)
def test_the_name_at_the_end_of_a_url(url, name):
    assert name_from_url(url) == name


@pytest.mark.parametrize("on_disk, written", [(NFC, NFD), (NFD, NFC), (f"{NFD}/a.jpg", f"{NFC}/a.jpg")])
def test_another_normalisation_is_found(coco_folder, on_disk, written):
    root = coco_folder(change=named(written))
    rename(root, on_disk)
    result = check(root)
    (one,) = found(result, "name_unicode")
    assert one["image_id"] == 20
    assert one["detail"] == f"{ascii(written)} is {ascii(on_disk)} in the folder"
    assert result.exit_code == 0
    assert Path(result.source.records[1].path) == root / "train2017" / on_disk


def test_a_folder_is_listed_once_and_only_where_a_name_is_missing(tmp_path, monkeypatch):
    listed = []
    listdir = os.listdir

    def counting(folder):
        listed.append(folder)
        return listdir(folder)

    monkeypatch.setattr(picture_names.os, "listdir", counting)
    (tmp_path / NFC).touch()
    (tmp_path / f"b{NFD}").touch()
    names = NormalisedNames(str(tmp_path))
    assert names.find(NFC) == NFC
    assert names.find("none.jpg") == "none.jpg"
    assert listed == []
    assert names.find(NFD) == NFC
    assert names.find(f"b{NFC}") == f"b{NFD}"
    assert names.find("\u00e4.jpg") == "\u00e4.jpg"
    assert names.find("\u00e4/\u00e4.jpg") == "\u00e4/\u00e4.jpg"
    assert listed == [str(tmp_path)]


@pytest.mark.parametrize(
    "name", [" a.jpg", "a.jpg ", "a  b.jpg", "a\tb.jpg", "a\\b.jpg", NFC, NFD, "a=b.c.jpg"]
)
def test_a_file_that_is_called_as_written_is_taken(coco_folder, name):
    root = coco_folder(change=named(name))
    rename(root, name)
    result = check(root)
    assert set(result.findings.counts) == {"category_gaps"}
    assert Path(result.source.records[1].path) == root / "train2017" / name


def test_one_picture_under_two_spellings_is_listed_twice(coco_folder):
    def change(content):
        content["images"][1]["file_name"] = "a/000002.jpg"
        content["images"][2]["file_name"] = "a\\000002.jpg"

    root = coco_folder(change=change)
    rename(root, "a/000002.jpg")
    assert found(check(root), "image_file_twice")[0]["image_id"] == 30


def test_images_without_names_are_one_line(coco_folder):
    def change(content):
        for image in content["images"]:
            image.pop("file_name")

    result = check(coco_folder(change=change))
    assert set(result.findings.counts) == {"image_form", "category_gaps"}
    assert "no coco_url" in found(result, "image_form")[0]["detail"]


@pytest.mark.parametrize("ids", [lambda number: f"p{number}", lambda number: None])
def test_unreadable_image_ids_are_one_line(coco_folder, ids):
    def change(content):
        for image in content["images"]:
            image["id"] = ids(image["id"])
        for item in content["annotations"]:
            item["image_id"] = ids(item["image_id"])

    result = check(coco_folder(change=change))
    assert set(result.findings.counts) == {"image_form", "category_gaps"}


@pytest.mark.parametrize(
    "name, kind, count", [("backslash", "name_backslash", 4), ("nfd", "name_unicode", 4)]
)
def test_reported_names(shared, name, kind, count):
    result = check(shared / "data/reports" / name, "coco_classes=auto")
    assert result.findings.counts == {kind: count}
    assert sum(len(record.boxes) for record in result.source.records) == 12


def test_reported_lvis_file(shared):
    result = check(shared / "data/reports/lvis_no_file_name", "coco_classes=auto")
    assert result.findings.counts == {"image_url": 4}
    assert [Path(record.path).name for record in result.source.records] == [
        f"p00{n}.jpg" for n in (1, 2, 3, 4)
    ]
    assert "4 x image without file_name" in report_text(result)[0]
