"""Detections as result rows, and the checks of result rows from a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.errors import DataError
from src.evaluation.coco_metrics import METRIC_NAMES, evaluate_coco
from src.evaluation.result_rows import detections_to_results
from tests.evaluation.coco_examples import detections_of, row, small_truth


def test_detections_to_results_by_hand():
    detections = {
        "boxes": np.array([[1, 2, 4, 6], [0, 0, 2, 2.0004]], np.float32),
        "scores": np.array([0.5, 0.25], np.float32),
        "labels": np.array([2, 1], np.int32),
        "masks": np.stack([np.ones((28, 28)), np.zeros((28, 28))]).astype(np.float32),
    }
    bbox_rows, segm_rows = detections_to_results(detections, 42, 8, 10, (0, 18, 90))
    assert bbox_rows == [
        {"image_id": 42, "category_id": 90, "score": 0.5, "bbox": [1, 2, 3, 4]},
        {"image_id": 42, "category_id": 18, "score": 0.25, "bbox": [0, 0, 2, 2]},
    ]
    assert json.loads(json.dumps(segm_rows)) == segm_rows
    expected = np.zeros((8, 10), np.uint8)
    expected[2:6, 1:4] = 1
    assert (mask_api.decode(segm_rows[0]["segmentation"]) == expected).all()
    assert (
        segm_rows[1]["segmentation"]["size"] == [8, 10] and mask_api.area(segm_rows[1]["segmentation"]) == 0
    )
    assert detections_to_results(detections, 42, 8, 10, {1: 18, 2: 90}, has_masks=False) == (bbox_rows, [])
    assert detections_to_results(detections, 42, 8, 10, (0, None, 90))[0] == bbox_rows[:1]
    nothing = {
        "boxes": np.zeros((0, 4)),
        "scores": np.zeros(0),
        "labels": np.zeros(0, int),
        "masks": np.zeros((0, 28, 28)),
    }
    assert detections_to_results(nothing, 42, 8, 10, (0, 18, 90)) == ([], [])


def test_perfect_boxes_on_coco_give_one(shared):
    path = shared / "data" / "coco" / "annotations" / "instances_val2017.json"
    truth = json.loads(path.read_text())
    category_ids = [0, *sorted(item["id"] for item in truth["categories"])]
    labels = {number: label for label, number in enumerate(category_ids)}
    bbox_rows = []
    for image in truth["images"]:
        objects = [
            item for item in truth["annotations"] if item["image_id"] == image["id"] and not item["iscrowd"]
        ]
        bbox_rows += detections_to_results(
            detections_of(objects, labels),
            image["id"],
            image["height"],
            image["width"],
            category_ids,
            has_masks=False,
        )[0]
    metrics = evaluate_coco(path, bbox_rows, "bbox")
    assert [metrics[name] for name in METRIC_NAMES if name not in ("AR1", "AR10")] == pytest.approx([1] * 10)


def test_perfect_rectangles_give_one_through_masks():
    truth = small_truth()
    pairs = [
        detections_to_results(
            detections_of(
                [item for item in truth["annotations"] if item["image_id"] == number], {3: 1, 7: 2}
            ),
            number,
            100,
            100,
            (0, 3, 7),
        )
        for number in (1, 2)
    ]
    assert evaluate_coco(truth, [item for _, rows in pairs for item in rows], "segm")["AP"] == pytest.approx(
        1
    )


@pytest.mark.parametrize(
    "change", [{"score": float("nan")}, {"score": "0.5"}, {"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, None]}]
)
def test_unusable_result_rows_are_named(change):
    with pytest.raises(DataError, match="row 1: "):
        evaluate_coco(
            small_truth(), [row(1, 3, (0, 0, 5, 5), 0.5), {**row(1, 3, (0, 0, 5, 5), 0.5), **change}], "bbox"
        )


def test_broken_masks_of_a_result_file_are_named(tmp_path):
    path = tmp_path / "results_segm.json"
    path.write_text(
        json.dumps(
            [
                {
                    "image_id": 1,
                    "category_id": 3,
                    "score": 0.5,
                    "segmentation": {"size": [100, 100], "counts": "0"},
                }
            ]
        )
    )
    with pytest.raises(DataError, match="row 0: RLE"):
        evaluate_coco(small_truth(), path, "segm")
