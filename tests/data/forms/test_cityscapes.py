"""Cityscapes' files, by hand from https://github.com/mcordts/cityscapesScripts and CVAT's documentation."""

import json

import cv2
import numpy as np
import pytest

from src.config import load_config
from src.data.check.data_check import check_data
from src.data_settings import data_check_settings
from src.errors import DataError

from .labels import found, pixels, read_form, write_picture


def ids(*squares, width=80, height=60):
    """uint16 ids with squares (value, left, top, side)."""
    values = np.full((height, width), 7, np.uint16)  # road
    for value, left, top, side in squares:
        values[top : top + side, left : left + side] = value
    return values


def write(root, values, name="aachen_000000_000019", split="train", city="aachen", pictures="leftImg8bit"):
    folder = root / "gtFine" / split / city
    folder.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / f"{name}_gtFine_instanceIds.png"), values)
    assert cv2.imwrite(str(folder / f"{name}_gtFine_labelIds.png"), values.astype(np.uint8))
    write_picture(root / pictures / split / city / f"{name}_leftImg8bit.png")


def test_the_longest_name_that_a_file_has(tmp_path):
    """Its picture would need a longer one."""
    name = "a" * 240 + "_instanceIds.png"
    write(tmp_path, ids((26000, 0, 0, 10)))
    assert cv2.imwrite(str(tmp_path / "gtFine" / "train" / "aachen" / name[1:]), ids((26000, 0, 0, 10)))
    source, findings = read_form(tmp_path, "cityscapes")
    assert len(source.records) == 1
    assert list(findings.counts) == ["label_picture_missing"]


def test_objects_groups_and_ignored_classes(tmp_path):
    squares = [(26000, 0, 0, 10), (26001, 20, 0, 5), (24, 40, 0, 20), (29003, 0, 40, 5), (24007, 60, 40, 8)]
    write(tmp_path, ids(*squares, (23, 70, 0, 5), (0, 0, 30, 3)))
    source, findings = read_form(tmp_path, "cityscapes")
    (record,) = source.records
    names = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    assert source.class_names == ("background", *names)
    # by their values: the group of persons, a person, two cars
    assert record.labels.tolist() == [1, 1, 3, 3]
    assert record.crowd.tolist() == [True, False, False, False]
    assert record.boxes.tolist() == [[40, 0, 60, 20], [60, 40, 68, 48], [0, 0, 10, 10], [20, 0, 25, 5]]
    assert pixels(record, 2).sum() == 100
    place = "gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png"
    assert found(findings) == {"label_ignored": [f"{place}: id 29003"]}


def test_splits_and_the_check(tmp_path):
    write(tmp_path, ids((26000, 0, 0, 10)))
    write(tmp_path, ids((26000, 0, 0, 20)), "ulm_1", "val", "ulm")
    write(tmp_path, ids(), "bonn_1", "test", "bonn")
    for split, side in (("train", 10), ("val", 20)):
        config = load_config(["dataset=auto", f"coco_root={tmp_path}", "coco_classes=auto"])
        check = check_data(data_check_settings(config, split), quiet=True)
        assert check.settings.annotations.format == "cityscapes"
        assert [record.boxes.tolist() for record in check.source.records] == [[[0, 0, side, side]]]
        assert check.exit_code == 0


def test_a_split_alone(tmp_path):
    write(tmp_path, ids((26000, 0, 0, 10)))
    for folder in ("gtFine/train", "gtFine", "gtFine/train/aachen"):
        source, findings = read_form(tmp_path / folder, "cityscapes")
        assert len(source.records) == 1
        assert not findings.counts
    (tmp_path / "leftImg8bit").rename(tmp_path / "moved")
    source, findings = read_form(tmp_path, "cityscapes", f"IMAGE_DIR={tmp_path / 'moved' / 'train'}")
    assert len(source.records) == 1
    assert not findings.counts


@pytest.mark.parametrize("form", ["label_colors.txt", "label_color.txt", "dataset_meta.json"])
def test_other_classes_as_cvat_and_datumaro_have_them(tmp_path, form):
    values = ids((2001, 0, 0, 10), (1, 20, 0, 5), (3000, 40, 0, 5))
    values[values == 7] = 0
    write(tmp_path, values, pictures="imgsFine/leftImg8bit")
    if form.endswith("json"):
        text = json.dumps({"label_map": {"0": "background", "1": "tree", "2": "nice house"}})
    else:
        text = "\ufeff# r g b label_name\r\n0 0 0 background\r\n\r\n0 255 0 tree\r\n9 9 9 nice house\r\n"
    (tmp_path / form).write_text(text, encoding="utf-8")
    source, findings = read_form(tmp_path, "cityscapes")
    (record,) = source.records
    assert source.class_names == ("background", "tree", "nice house")
    assert record.labels.tolist() == [1, 2]
    assert record.crowd.tolist() == [True, False]
    place = "gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png: id 3000"
    assert found(findings) == {"label_shape": [place]}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("label_colors.txt", "0 0 0 background\n1 2 tree", "label_file_form"),
        ("label_colors.txt", "", ""),
        ("dataset_meta.json", "{", "label_file_syntax"),
        ("dataset_meta.json", '{"label_map": {"x": "tree"}}', "label_file_form"),
        ("dataset_meta.json", "[]", "label_file_form"),
    ],
)
def test_bad_tables(tmp_path, name, text, kind):
    write(tmp_path, ids((26000, 0, 0, 10)))
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="no object with a class"):
        read_form(tmp_path, "cityscapes")


def test_bad_files(tmp_path):
    write(tmp_path, ids((26000, 0, 0, 10)))
    write(tmp_path, ids((26000, 0, 0, 10)), "small")
    write_picture(tmp_path / "leftImg8bit" / "train" / "aachen" / "small_leftImg8bit.png", 79)
    write(tmp_path, ids((26000, 0, 0, 10)), "gone")
    (tmp_path / "leftImg8bit" / "train" / "aachen" / "gone_leftImg8bit.png").unlink()
    write(tmp_path, ids((26000, 0, 0, 10)), "cut")
    folder = tmp_path / "gtFine" / "train" / "aachen"
    path = folder / "cut_gtFine_instanceIds.png"
    path.write_bytes(path.read_bytes()[:-20])
    source, findings = read_form(tmp_path, "cityscapes")
    assert len(source.records) == 1
    place = "gtFine/train/aachen/{}_gtFine_instanceIds.png".format
    assert found(findings) == {
        "label_file_syntax": [place("cut")],
        "label_picture_missing": [place("gone")],
        "mask_size": [place("small")],
    }
