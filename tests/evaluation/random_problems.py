"""Small random problems of evaluation: crowds, equal scores, repeated boxes, classes without objects."""

from __future__ import annotations

import cv2
import numpy as np

from src.data.images.rle import mask_to_rle
from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import EvaluationInputs, read_inputs

CATEGORY_IDS = (2, 3, 7, 11)  # the last never has an object
SETTINGS = CocoSettings(max_dets=(1, 3, 8), area_limits=(150.0, 700.0))


def random_problem(
    seed: int, kind: str, images: int = 5, ties: bool = True, crowds: bool = True
) -> EvaluationInputs:
    """Objects and detections drawn with a seed.

    Args:
        seed: of the random numbers.
        kind: "bbox" or "segm".
        images: number of pictures.
        ties: draw scores from eleven values, so that many are equal; else all scores differ, and all boxes.
        crowds: make a fifth of the objects crowds.
    """
    rng = np.random.default_rng(seed)
    truth = {
        "images": [{"id": 5 * i + 1, "width": 64, "height": 48} for i in range(images)],
        "categories": [{"id": number, "name": f"class {number}"} for number in CATEGORY_IDS],
        "annotations": [],
    }
    rows = []
    for image in truth["images"]:
        boxes = _random_boxes(rng, int(rng.integers(0, 6)))
        labels = rng.choice(CATEGORY_IDS[:3], len(boxes))
        if len(boxes):  # a twin: a detection between the two overlaps both alike
            boxes = np.concatenate([boxes, boxes[:1] + [4, 0, 0, 0]])
            labels = np.append(labels, labels[0])
        for box, label in zip(boxes, labels):
            truth["annotations"].append(_object(rng, len(truth["annotations"]) + 1, image["id"], label, box))
            if not crowds:
                truth["annotations"][-1]["iscrowd"] = 0
        for _ in range(int(rng.integers(0, 14))):
            box, label = _detection(rng, boxes, labels)
            if not ties:
                box = box + rng.uniform(0, 0.01, 4)
            rows.append(_row(image["id"], int(label), box, kind))
    scores = rng.integers(0, 11, len(rows)) / 10 if ties else rng.permutation(len(rows)) / max(len(rows), 1)
    for row, score in zip(rows, scores.tolist()):
        row["score"] = score
    if not truth["annotations"]:
        box = np.array([4.0, 4.0, 20.0, 20.0])
        truth["annotations"].append(_object(rng, 1, truth["images"][0]["id"], CATEGORY_IDS[0], box))
    return read_inputs(truth, rows, kind)


def _random_boxes(rng, count):
    """Whole numbers, so that equal overlaps are frequent; x, y, w, h within 64 x 48."""
    corner = rng.integers(0, [36, 28], (count, 2))
    size = rng.integers(4, [24, 20], (count, 2))
    return np.concatenate([corner, size], 1).astype(np.float64)


def _object(rng, number, image_id, label, box):
    crowd = int(rng.random() < 0.2)
    mask = _mask(box)
    annotation = {
        "id": number,
        "image_id": image_id,
        "category_id": int(label),
        "bbox": box.tolist(),
        "area": float(mask.sum()),
        "iscrowd": crowd,
        "segmentation": mask_to_rle(mask),
    }
    if rng.random() < 0.1:
        annotation["area"] = float(rng.choice([150.0, 700.0]))  # on the limit of two sizes
    return annotation


def _detection(rng, boxes, labels):
    """A box near an object, or anywhere; mostly of the object's class."""
    if not len(boxes) or rng.random() < 0.25:
        return _random_boxes(rng, 1)[0], rng.choice(CATEGORY_IDS)
    if rng.random() < 0.1:
        return boxes[0] + [2, 0, 0, 0], labels[0]
    i = rng.integers(len(boxes))
    box = boxes[i] + rng.integers(-3, 4, 4) * (rng.random() < 0.8)
    box[:2] = np.maximum(box[:2], 0)
    box[2:] = np.maximum(box[2:], 2)
    return box, labels[i] if rng.random() < 0.75 else rng.choice(CATEGORY_IDS)


def _row(image_id, label, box, kind):
    row = {"image_id": image_id, "category_id": label}
    if kind == "bbox":
        return {**row, "bbox": box.tolist()}
    return {**row, "segmentation": mask_to_rle(_mask(box))}


def _mask(box):
    """An ellipse that fills the box."""
    mask = np.zeros((48, 64), np.uint8)
    x, y, w, h = (int(value) for value in box)
    cv2.ellipse(mask, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
    return mask
