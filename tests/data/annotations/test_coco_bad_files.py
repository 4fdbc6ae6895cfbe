"""The COCO reader on bad annotations, bad lists, and files that are not annotations."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from src.config import load_config
from src.data.annotations.coco_reader import read_coco
from src.data_settings import annotation_settings
from src.errors import DataError
from tests.data.annotations.reading import read


@pytest.mark.parametrize("number", [1e308, -1e308, 1e30])
@pytest.mark.parametrize("side", range(4))
def test_huge_numbers_do_not_make_numpy_warn(coco_folder, number, side):
    """The object is left out for its box; the others stay."""

    def spoil(content):
        content["annotations"][0]["bbox"][side] = number

    root = coco_folder(change=spoil)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = read(root)
    assert sum(len(record.boxes) for record in source.records) == 17
    assert any("1 x box" in note for note in source.notes)


def test_bad_boxes_are_counted_in_one_line_a_kind(coco_folder, caplog):
    def spoil(content):
        boxes = [annotation["bbox"] for annotation in content["annotations"]]
        boxes[0][2] = 0.0  # no width
        boxes[1][3] = -5.0  # inverted
        boxes[2][0] = float("nan")
        boxes[3][2] = float("inf")
        boxes[4][:] = [500.0, 500.0, 10.0, 10.0]  # outside 128x96
        boxes[5][:] = [-20.0, 10.0, 60.0, 500.0]  # clipped
        content["annotations"][5]["segmentation"] = [[0, 10, 40, 10, 40, 96, 0, 96]]
        boxes[6][:] = [1.0, 2.0, 3.0]
        content["annotations"][7]["bbox"] = "1,2,3,4"
        del content["annotations"][8]["bbox"]  # from the polygon
        content["annotations"][9]["image_id"] = 999
        content["annotations"][10]["category_id"] = 4
        content["annotations"][11] = None
        content["annotations"][12]["bbox"][2] = 10**400

    root = coco_folder(change=spoil)
    clean = read(coco_folder(name="clean"))
    source = read(root)
    kept = [annotation_id for record in source.records for annotation_id in record.annotation_ids.tolist()]
    assert kept == [6, 9, *range(14, 19)]
    assert np.allclose(source.records[1].boxes[-1], [0, 10, 40, 96])
    ninth = clean.records[2].boxes[clean.records[2].annotation_ids.tolist().index(9)]
    assert np.allclose(source.records[2].boxes[0], ninth, atol=1e-3)
    notes = "\n".join(source.notes)
    assert len(source.notes) == len({note.split(" x ")[1].split(" (")[0] for note in source.notes})
    parts = (
        "2 x box without area",
        "3 x box that is not finite",
        "1 x box outside",
        "1 x box reaching out",
        "2 x box that is not four",
        "1 x annotation of an image id",
        "1 x annotation of a category id",
        "1 x annotation that is not an object",
    )
    assert [part for part in parts if part not in notes] == []
    assert "annotation 1," in notes
    assert caplog.messages == source.notes


def test_bad_segmentations(coco_folder):
    def spoil(content):
        items = content["annotations"]
        items[0]["segmentation"] = [[1, 2, 3, 4]]  # two points
        items[1]["segmentation"] = [[1, 2, 3, 4, 5, 6, 7], [1, 1, 9, 1, 9, 9]]  # odd, and a good one
        items[1]["bbox"] = [1, 1, 8, 8]
        items[2]["segmentation"] = {"size": [96, 128], "counts": "oooo"}
        items[3]["segmentation"] = {"size": [5, 5], "counts": [25]}
        items[4]["segmentation"] = [[1e30, 0, 5, 0, 5, 5]]
        items[5]["segmentation"] = items[5]["segmentation"][0]  # no list around it
        items[6]["segmentation"] = [["a", "b", "c", "d", "e", "f"]]
        items[7]["segmentation"] = 5
        items[8]["segmentation"] = []
        items[9]["segmentation"] = [None, [[1, 2], [3, 4], [5, 6], [5, 6], [5, 6], [5, 6]]]
        items[10].update(iscrowd=1, segmentation=None)

    source = read(coco_folder(change=spoil))
    kept = [annotation_id for record in source.records for annotation_id in record.annotation_ids.tolist()]
    assert kept == [2, 6, *range(11, 19)]
    assert len(source.records[0].segmentations[0]) == 1
    assert source.has_masks
    assert any("8 x object without a usable mask" in note for note in source.notes)


def _image(**changes):
    """A change of the second image."""
    return lambda content: content["images"][1].update(changes)


def _category(category):
    """A third category."""
    return lambda content: content["categories"].append(category)


@pytest.mark.parametrize(
    "change, words",
    [
        (_image(id=10), "images[1]: the image id 10"),
        (_image(id="10"), "images[1]: the image id 10"),
        (_image(id="ten"), "images[1]"),
        (_image(id=2**70), "images[1]"),
        (_image(id=True), "images[1]"),
        (_image(file_name=5), "images[1]"),
        (_image(file_name="/etc/passwd"), "leads out"),
        (_image(file_name="a/../../b.jpg"), "leads out"),
        (_image(width=None, file_name="none.jpg"), "none.jpg"),
        (lambda content: content.pop("images"), "'images' is missing"),
        (lambda content: content.update(annotations={}), "'annotations' is a dict"),
        (lambda content: content.pop("categories"), "'categories' is missing"),
        (lambda content: content.update(categories=[]), "no class"),
        (_category({"id": 3, "name": "x"}), "twice"),
        (_category({"id": 9, "name": "disc"}), "twice"),
        (_category({"id": None, "name": "x"}), "categories[2]"),
        (_category([]), "categories[2]"),
    ],
)
def test_what_makes_a_file_useless_is_one_line(coco_folder, change, words):
    root = coco_folder(change=change)
    with pytest.raises(DataError) as error:
        read(root)
    assert words in str(error.value)
    assert "instances_train2017.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b'{"images": [{"id": 1', "cut off"),
        (b"hello", "line 1 column 1"),
        (b"[]", "list at the top level"),
        (b"\xff\xfe\x00", "not"),
        (b'"text"', "str at the top level"),
        (b"[" * 100000, "not JSON"),
        (b'{"a": 1' + b"0" * 5000 + b"}", ""),
    ],
)
def test_what_is_not_json(tmp_path, data, words):
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_coco(dataclasses.replace(annotation_settings(load_config()), path=path))
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_coco(annotation_settings(load_config([f"coco_root={tmp_path}"])))
    with pytest.raises(DataError, match="directory"):
        read_coco(annotation_settings(load_config([f"ann_file={tmp_path}"]), "val"))
