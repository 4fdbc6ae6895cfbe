"""COCO to another form and back: what the form can hold comes back as it was."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.forms.writers.targets import TARGETS
from src.engine.labels.conversion import LabelConversion, convert_data
from tests.data.forms.writers.scenes import by_picture, draw_scenes

# (the form, whether it has crowds)
FORMS = [("coco", True), ("labelme", False), ("txt", False), ("yolo", False)]


def convert(source, out, target, **words):
    convert_data(LabelConversion(sources=[str(source)], out=str(out), target=target, **words))


def there_and_back(folder, target):
    """The COCO JSON's content after a way through a form."""
    convert(folder / "drawn", folder / "there", target)
    there = folder / "there" / "train.txt" if target == "txt" else folder / "there"
    convert(there, folder / "back", "coco")
    return json.loads((folder / "back" / "annotations" / "instances_train.json").read_text(encoding="utf-8"))


def pixel_box(mask):
    """x1, y1, x2, y2 around the pixels of a mask, in whole pixels."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_every_form_is_here():
    assert {name for name, *_ in FORMS} == set(TARGETS)


@pytest.mark.parametrize(("target", "has_crowds"), FORMS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_masks_boxes_and_classes_come_back(target, has_crowds, seed):
    folder = Path(tempfile.mkdtemp())
    try:
        drawn = by_picture(draw_scenes(folder / "drawn", seed))
        if not any(crowd == 0 for objects in drawn.values() for _, _, _, crowd, _ in objects):
            return
        found = by_picture(there_and_back(folder, target))
        assert found.keys() == drawn.keys()
        for name, objects in drawn.items():
            expected = [one for one in objects if has_crowds or not one[3]]
            assert [one[0] for one in found[name]] == [one[0] for one in expected]
            for (_, box, mask, crowd, _), (_, old_box, old_mask, old_crowd, parts) in zip(
                found[name], expected
            ):
                assert crowd == old_crowd
                assert (mask & old_mask).sum() / (mask | old_mask).sum() >= 0.999
                boxes = [old_box]
                if target == "yolo" and parts > 1:
                    # of parts that overlap it has the outline of their pixels
                    boxes.append(pixel_box(old_mask))
                assert min(np.abs(np.subtract(box, one)).max() for one in boxes) <= 0.01
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_boxes_alone_stay_boxes(target, tmp_path):
    drawn = by_picture(draw_scenes(tmp_path / "drawn", 5, kinds=("polygon", "rle"), masks=False))
    found = by_picture(there_and_back(tmp_path, target))
    for name, objects in drawn.items():
        assert [one[0] for one in found[name]] == [one[0] for one in objects]
        for (_, box, mask, *_), (_, old_box, *_) in zip(found[name], objects):
            assert mask is None and np.abs(np.subtract(box, old_box)).max() <= 0.01


def test_coco_keeps_ids_and_areas(tmp_path):
    drawn = draw_scenes(tmp_path / "drawn", 8)
    found = there_and_back(tmp_path, "coco")
    assert [one["id"] for one in found["images"]] == [one["id"] for one in drawn["images"]]
    assert {one["id"]: one["name"] for one in found["categories"]} == {
        one["id"]: one["name"] for one in drawn["categories"]
    }
    for one, old in zip(found["annotations"], drawn["annotations"]):
        for key in ("id", "image_id", "category_id", "iscrowd", "area", "segmentation"):
            assert one[key] == old[key], key


def test_what_is_lost_is_said(tmp_path, capsys):
    """A crowd; two squares of one object; and a box that is not its mask's."""
    content = draw_scenes(tmp_path / "drawn", 0, pictures=1, kinds=("crowd",))
    square = [2, 2, 12, 2, 12, 12, 2, 12]
    crowds = [one for one in content["annotations"] if one["iscrowd"]]
    common = {"image_id": 7, "category_id": 3, "iscrowd": 0}
    content["annotations"] = [
        *crowds[:1],
        {**common, "id": 1001, "segmentation": [square, [x + 11 for x in square]], "bbox": [2, 2, 21, 21]},
        {**common, "id": 1002, "segmentation": [square], "bbox": [2, 2, 11, 10]},
    ]
    path = tmp_path / "drawn" / "annotations" / "instances_train.json"
    path.write_text(json.dumps(content))
    convert(tmp_path / "drawn", tmp_path / "yolo", "yolo")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] == "1" and line[1] == " "] == [
        "1 crowds are left out: the form cannot tell them from objects",
        "1 objects of several parts or with holes are one polygon each, joined by lines without width",
        "1 boxes differ from those of their masks by more than .01 pixel: YOLO has no box beside a polygon",
    ]
    convert(tmp_path / "drawn", tmp_path / "coco", "coco")
    assert not any(line.startswith("1 ") for line in capsys.readouterr().out.splitlines())
