"""Findings about all objects of a file at once: unusable masks, normalised coordinates, repeated objects."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import load_config
from src.data.check.data_check import check_data, report_text
from src.data_settings import data_check_settings
from tests.data.check.checking import CLASSES, check, found, said_before_training

SQUARE = [10, 20, 50, 20, 50, 50, 10, 50]


def masks(usable, written, unusable="10 20 50 20"):
    """A change: of 18 objects, `written` have a segmentation and `usable` of these a usable one."""

    def change(content):
        for number, item in enumerate(content["annotations"]):
            item.update(bbox=[10, 20, 40, 30], area=1200)
            if number >= written:
                item["segmentation"] = []
            else:
                item["segmentation"] = [SQUARE] if number < usable else unusable

    return change


@pytest.mark.parametrize(
    "usable, written, fatal", [(0, 18, 1), (1, 18, 1), (2, 18, 0), (0, 1, 1), (1, 10, 0)]
)
def test_under_a_tenth_of_usable_masks_is_fatal(coco_folder, caplog, usable, written, fatal):
    root = coco_folder(change=masks(usable, written))
    result = check(root)
    ones = found(result, "masks_unusable")
    assert len(ones) == fatal
    if fatal:
        detail = ones[0]["detail"]
        assert detail.startswith(f"{written - usable} of {written} segmentations cannot be used")
        assert "looks like '10 20 50 20';" in detail
        assert ones[0]["place"] == f"annotations[{usable}].segmentation"
        assert result.exit_code == 2
        _, error = said_before_training(result, root, caplog)
        assert detail in error
        assert not found(result, "empty_picture")


@pytest.mark.parametrize(
    "unusable, look",
    [
        ([[10, 20, 50, 20]], "[[10, 20, 50, 20]]"),
        ({"size": [5, 5], "counts": [5, 20]}, "{'size': [5, 5], 'counts': '5"),
        ({"size": [96, 128], "counts": "oooo"}, "{'size': [96, 128], 'counts': 'oooo'}"),
        ([[1e5, 20, 50, 20, 50, 50]], "[[100000.0, 20.0, 50.0, 20.0, 50.0, 50.0]]"),
    ],
)
def test_the_message_shows_the_first_segmentation(coco_folder, unusable, look):
    detail = found(check(coco_folder(change=masks(0, 18, unusable))), "masks_unusable")[0]["detail"]
    assert look in detail


def test_boxes_without_any_segmentation_stay_boxes(coco_folder):
    result = check(coco_folder(change=masks(0, 0)))
    assert not found(result, "masks_unusable")
    assert not result.source.has_masks
    assert sum(len(record.boxes) for record in result.source.records) == 18


def test_unusable_masks_of_crowds_are_not_counted(coco_folder):
    def change(content):
        for item in content["annotations"][1:]:
            item.update(iscrowd=1, segmentation=5)

    assert not found(check(coco_folder(change=change)), "masks_unusable")


def normalise(boxes=True, polygons=True):
    """A change: shares of the picture's 128 x 96 pixels instead of pixels."""

    def change(content):
        for item in content["annotations"]:
            if boxes:
                item["bbox"] = (np.array(item["bbox"]) / [128, 96, 128, 96]).tolist()
            if polygons and "segmentation" in item:
                points = np.array(item["segmentation"]).reshape(-1, 2) / [128, 96]
                item["segmentation"] = [points.ravel().tolist()]

    return change


@pytest.mark.parametrize("masks, boxes, polygons", [(1, 1, 1), (0, 1, 0), (1, 1, 0), (1, 0, 1)])
def test_coordinates_from_0_to_1_are_fatal(coco_folder, caplog, masks, boxes, polygons):
    root = coco_folder(masks=bool(masks), change=normalise(boxes, polygons))
    result = check(root)
    (one,) = found(result, "coordinates_normalised")
    assert one["place"] == ("annotations[0].bbox" if boxes else "annotations[0].segmentation[0]")
    assert "128x96" in one["detail"]
    assert "multiply x" in one["detail"]
    assert set(result.findings.counts) == {"coordinates_normalised", "category_gaps"}
    lines, error = said_before_training(result, root, caplog)
    assert "look normalised" in error
    assert len(lines) == 2


def test_normalised_rows_of_a_txt_file(tmp_path, coco_folder):
    coco_folder(name="pictures")
    rows = tmp_path / "rows.txt"
    rows.write_text("000001.jpg 0.1,0.2,0.5,0.75,1\n000002.jpg 0,0,1,1,2\n")
    folder = tmp_path / "pictures" / "train2017"
    words = ["dataset=other", f"IMAGE_DIR={folder}", f"ANNO_PATH={rows}", CLASSES]
    (one,) = found(check_data(data_check_settings(load_config(words)), quiet=True), "coordinates_normalised")
    assert one["place"] == "line 1 box 1"
    assert "[0.1, 0.2, 0.5, 0.75]" in one["detail"]
    rows.write_text("000001.jpg 0,0,1,1,1\n")
    assert not found(
        check_data(data_check_settings(load_config(words)), quiet=True), "coordinates_normalised"
    )


def test_a_single_larger_box_is_not_normalised(coco_folder):
    def change(content):
        normalise()(content)
        content["annotations"][5]["bbox"] = [0.5, 0.5, 3, 0.5]
        content["annotations"][5]["segmentation"] = [[0.5, 0.5, 3.5, 0.5, 3.5, 1]]

    assert not found(check(coco_folder(change=change)), "coordinates_normalised")


def test_the_reported_normalised_file(shared):
    result = check(shared / "data/reports/normalised", "coco_classes=auto")
    (one,) = found(result, "coordinates_normalised")
    assert "[0.125, 0.333333, 0.226562, 0.25] in a picture of 128x96" in one["detail"]
    assert result.exit_code == 2
    assert sum(line.startswith(("fatal", "skipped")) for line in report_text(result)) == 1


@pytest.mark.parametrize("masks", [True, False])
def test_every_object_twice(coco_folder, masks):
    def change(content):
        items = content["annotations"]
        items += [{**item, "id": item["id"] + 100} for item in items]

    result = check(coco_folder(masks=masks, change=change))
    ones = found(result, "object_twice")
    assert [one["annotation_id"] for one in ones] == list(range(101, 119))
    assert ones[3]["detail"] == "the same as annotations[3]; 18 of 36 objects (50%) are repeated"
    assert result.exit_code == 0
    assert sum(len(record.boxes) for record in result.source.records) == 36


def test_objects_that_differ_in_one_thing_are_not_repeated(coco_folder):
    run = {"size": [96, 128], "counts": [96 * 20 + 20, 30, 96 * 107 + 46]}

    def change(content):
        first = content["annotations"][0]
        first.update(bbox=[10, 20, 40, 30], area=1200, segmentation=[SQUARE], category_id=3)
        changes = [
            {"image_id": 20},
            {"category_id": 7},
            {"bbox": [10, 20, 40, 30.001]},
            {"segmentation": [[*SQUARE[:-1], 50.5]]},
            {"segmentation": [SQUARE, [20, 30, 40, 30, 40, 40]]},
            {"segmentation": run},
            {"iscrowd": 1},
        ]
        content["annotations"] = [first, *({**first, "id": n, **one} for n, one in enumerate(changes, 2))]

    root = coco_folder(change=change)
    assert not found(check(root), "object_twice")


def test_the_reported_repeated_objects(shared):
    result = check(shared / "data/reports/doubled_objects", "coco_classes=auto")
    assert len(found(result, "object_twice")) == 12
    assert "12 of 24 objects (50%)" in report_text(result)[1]


def test_the_reported_objects_of_the_background(shared):
    result = check(shared / "data/reports/background_used", "coco_classes=auto")
    ones = found(result, "annotation_background")
    assert ones and not found(result, "annotation_category")
    assert "rename the class" in ones[0]["what"]
    assert len(ones) + sum(len(record.boxes) for record in result.source.records) == 12


@pytest.mark.parametrize(
    "written, crowd",
    [("0", 0), ("1", 1), ("false", 0), ("FALSE", 0), ("True", 1), (" 1 ", 1), ("0.0", 0), (1.0, 1), (0.0, 0)]
    + [(True, 1), (False, 0), (2, 1), ("x", 0), ("nan", 0), ([1], 0)],
)
def test_iscrowd_is_read_as_it_is_meant(coco_folder, written, crowd):
    result = check(coco_folder(change=lambda content: content["annotations"][0].update(iscrowd=written)))
    (one,) = found(result, "crowd_value")
    assert one["detail"] == f"{written!r}, read as {crowd}"
    record = result.source.records[0]
    assert record.crowd[record.annotation_ids.tolist().index(1)] == bool(crowd)


def test_the_reported_iscrowd_as_text(shared):
    root = shared / "data/reports"
    words = ["coco_classes=auto"]
    result = check(root / "demo_iscrowd_text", *words, split="val")
    clean = check(root / "demo_clean", *words, split="val")
    assert result.findings.counts == {**clean.findings.counts, "crowd_value": 76}
    for one, other in zip(result.source.records, clean.source.records):
        assert one.crowd.tolist() == other.crowd.tolist()
        assert one.boxes.tolist() == other.boxes.tolist()
