"""Findings about all objects of a file at once: unusable masks, normalised coordinates, repeated objects."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import load_config
from src.data.check.data_check import check_data, report_text
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
    (one,) = found(check_data(load_config(words), quiet=True), "coordinates_normalised")
    assert one["place"] == "line 1 box 1"
    assert "[0.1, 0.2, 0.5, 0.75]" in one["detail"]
    rows.write_text("000001.jpg 0,0,1,1,1\n")
    assert not found(check_data(load_config(words), quiet=True), "coordinates_normalised")


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
