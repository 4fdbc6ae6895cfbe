"""Faults that are put into the objects of a COCO annotation file: what a label repair has to find.

Objects are drawn at random, no object twice: some are deleted, some are moved or get another class. Crowds
stay as they are. One seed gives the same faults.
"""

from __future__ import annotations

import copy
import random
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from pycocotools import mask as mask_api

_TRIES = 100
_LARGEST_IOU = 0.5  # of a moved object with where it was
# The distance of a near move, as a share of the square root of the box's area.
_NEAR = (0.35, 0.9)


class Fault(NamedTuple):
    """One object that is wrong now.

    Attributes:
        kind: "deleted", "moved" or "relabelled".
        original: the annotation as it was.
        changed: the annotation as it is now; None where it was deleted.
    """

    kind: str
    original: Dict[str, Any]
    changed: Optional[Dict[str, Any]]


def put_faults(
    content: Dict[str, Any], seed: int, deleted: float = 0.1, wrong: float = 0.05
) -> Tuple[Dict[str, Any], List[Fault]]:
    """Annotations with faults, and the faults.

    Args:
        content: of a COCO annotation file. It is not changed.
        seed: of the random choice.
        deleted: the share of the objects that are deleted.
        wrong: the share of the objects that are moved or, in turns where there are several classes, get
            another class. Half of the moves are near, to where the object still meets its place; half lead
            anywhere in the picture.

    Returns:
        (the content with faults, the faults)
    """
    rng = random.Random(seed)
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    classes = [category["id"] for category in content["categories"]]
    objects = [item for item in content["annotations"] if not item.get("iscrowd")]
    chosen = rng.sample(objects, round(deleted * len(objects)) + round(wrong * len(objects)))
    faults = [Fault("deleted", item, None) for item in chosen[: round(deleted * len(objects))]]
    moves = 0
    for number, item in enumerate(chosen[round(deleted * len(objects)) :]):
        if len(classes) > 1 and number % 2:
            other = rng.choice([category for category in classes if category != item["category_id"]])
            faults.append(Fault("relabelled", item, {**item, "category_id": other}))
            continue
        moved = _moved(item, sizes[item["image_id"]], rng, is_near=moves % 2 == 0)
        moves += 1
        faults.append(Fault("moved", item, moved))
    by_id = {fault.original["id"]: fault for fault in faults}
    annotations = []
    for item in content["annotations"]:
        fault = by_id.get(item["id"])
        if fault is None:
            annotations.append(item)
        elif fault.changed is not None:
            annotations.append(fault.changed)
    return copy.deepcopy({**content, "annotations": annotations}), faults


def mask_of(item: Dict[str, Any], size: Sequence[int]) -> Dict[str, Any]:
    """The mask of an annotation as one compressed RLE of `size`, (height, width)."""
    segmentation = item["segmentation"]
    if isinstance(segmentation, list):
        return mask_api.merge(mask_api.frPyObjects(segmentation, *size))
    if isinstance(segmentation["counts"], list):
        return mask_api.frPyObjects(segmentation, *segmentation["size"])
    return segmentation


def _moved(item: Dict[str, Any], size: Tuple[int, int], rng: random.Random, is_near: bool) -> Dict[str, Any]:
    """An annotation at another place of its picture, by whole pixels, whole within it."""
    x, y, width, height = item["bbox"]
    before = mask_of(item, size)
    for _ in range(_TRIES):
        if is_near:
            distance = rng.uniform(*_NEAR) * (width * height) ** 0.5
            angle = rng.uniform(0, 2 * np.pi)
            dx, dy = round(distance * np.cos(angle)), round(distance * np.sin(angle))
        else:
            dx = round(rng.uniform(0, size[1] - width) - x)
            dy = round(rng.uniform(0, size[0] - height) - y)
        dx = min(max(dx, int(np.ceil(-x))), int(np.floor(size[1] - x - width)))
        dy = min(max(dy, int(np.ceil(-y))), int(np.floor(size[0] - y - height)))
        moved = {**item, "bbox": [x + dx, y + dy, width, height]}
        moved["segmentation"] = _shifted(item["segmentation"], size, dx, dy)
        if mask_api.iou([mask_of(moved, size)], [before], [0])[0, 0] < _LARGEST_IOU:
            return moved
        is_near = False  # as near to the border that it does not get away from its place
    raise ValueError(f"annotation {item['id']} is as large as its picture, and cannot be moved")


def _shifted(segmentation: Any, size: Tuple[int, int], dx: int, dy: int) -> Any:
    if isinstance(segmentation, list):
        return [
            [value + (dy if place % 2 else dx) for place, value in enumerate(polygon)]
            for polygon in segmentation
        ]
    mask = mask_api.decode(mask_of({"segmentation": segmentation}, size))
    rle = mask_api.encode(np.asfortranarray(np.roll(mask, (dy, dx), (0, 1))))
    return {"size": list(size), "counts": rle["counts"].decode()}
