"""Small ground truths and result rows for the tests of this folder."""

from __future__ import annotations

import numpy as np

from src.evaluation.coco_metrics import METRIC_NAMES


def figures(metrics):
    return [metrics[name] for name in METRIC_NAMES]


def row(image_id, category_id, box, score):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(box), "score": score}


def annotation(number, image_id, category_id, box, **more):
    x, y, w, h = box
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": list(box),
        "area": w * h,
        "iscrowd": 0,
        "segmentation": [polygon],
        **more,
    }


def small_truth():
    """Two pictures, two classes, four objects."""
    return {
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [{"id": 3, "name": "a"}, {"id": 7, "name": "b"}],
        "annotations": [
            annotation(0, 1, 3, (10, 10, 40, 40)),
            annotation(1, 1, 7, (60, 60, 20, 30)),
            annotation(2, 2, 3, (5, 5, 12, 12)),
            annotation(3, 2, 7, (30, 20, 50, 60)),
        ],
    }


def perfect_rows(truth):
    return [row(item["image_id"], item["category_id"], item["bbox"], 0.9) for item in truth["annotations"]]


def detections_of(annotations, labels, side=28):
    """Perfect detections of some annotations, in the network's format. Every mask fills its box."""
    boxes = np.array(
        [[x, y, x + w, y + h] for x, y, w, h in (item["bbox"] for item in annotations)], np.float32
    ).reshape(-1, 4)
    return {
        "boxes": boxes,
        "scores": np.full(len(boxes), 0.9, np.float32),
        "masks": np.ones((len(boxes), side, side), np.float32),
        "labels": np.array([labels[item["category_id"]] for item in annotations], np.int32),
    }
