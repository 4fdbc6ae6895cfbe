"""Ground truth for evaluation: any COCO-like JSON, cleaned into what pycocotools can hold, with ids counted anew.

pycocotools trips over much of what annotation files hold in the wild (text ids, ids of 0, missing `iscrowd` or `area`, null picture
sizes, empty segmentations). Here every id becomes a whole number from 1 in the order of the original ids, which keeps the order in
which pycocotools goes through pictures and so every figure. What cannot be used is left out and counted, never changed silently.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from pycocotools import mask as mask_api

from ..data.annotations.records import check_polygon
from ..data.images.masks import rle_counts, segmentation_box
from ..errors import DataError

_FARTHEST = 50_000  # pixels: no picture is larger, and pycocotools counts pixels in 32 bits


@dataclass
class GroundTruth:
    """COCO's ground truth with ids counted from 1.

    name: where it comes from; images, categories: original id (see `plain_id`) -> {"id": new id, ...}; annotations: COCO
    annotations with new ids, whole `bbox` (x, y, w, h in pixels), `area` (pixels), `iscrowd` and, for kind "segm", compressed RLE;
    left_out: what was left out, in words -> how many.
    """

    name: str
    images: Dict[Any, dict]
    categories: Dict[Any, dict]
    annotations: List[dict] = field(default_factory=list)
    left_out: Counter = field(default_factory=Counter)


def plain_id(value):
    """An id as an int where it is a whole number in any spelling (7, 7.0, "7"), else its text, so that files that mix them still match."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,40}", text) else text


def read_ground_truth(source, kind, sizes=None):
    """The GroundTruth of a COCO JSON.

    source: a path, or the same content as a dict; kind: "bbox" or "segm"; sizes: {image id: (height, width)} known better than the
    file knows them, as from the pictures that were read: masks are compared on that canvas.
    Raises DataError for a file that is not COCO-like JSON.
    """
    name, content = _load(source)
    images = _numbered(name, content, "images")
    categories = _numbered(name, content, "categories")
    truth = GroundTruth(name, images, categories)
    for image_id, size in (sizes or {}).items():
        if image_id in images:
            images[image_id]["height"], images[image_id]["width"] = size
    annotations = content.get("annotations") or []
    if not isinstance(annotations, list):
        raise DataError(f"{name}: 'annotations' is not a list; COCO's format expected")
    for raw in annotations:
        problem = _add(truth, raw, kind) if isinstance(raw, dict) else "not an object"
        if problem:
            truth.left_out[problem] += 1
    return truth


def _load(source):
    if isinstance(source, dict):
        return "the ground truth", source
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"annotations {source}: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"annotations {source}: not JSON ({error})") from None
    if not isinstance(content, dict):
        found = type(content).__name__
        raise DataError(
            f"annotations {source}: an object with 'images', 'annotations' and 'categories' expected, found a {found}"
        )
    return str(source), content


def _numbered(name, content, part):
    entries = content.get(part)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "id" in entry for entry in entries
    ):
        raise DataError(f"{name}: '{part}' has to be a list of objects with an 'id', as COCO's format has it")
    by_id = {plain_id(entry["id"]): entry for entry in entries}
    order = sorted(by_id, key=lambda key: (isinstance(key, str), key))
    return {key: {**by_id[key], "id": number} for number, key in enumerate(order, 1)}


def _add(truth, raw, kind):
    """Append one annotation in its clean form; returns what is wrong with it if it has to be left out."""
    image, category = (
        truth.images.get(plain_id(raw.get("image_id"))),
        truth.categories.get(plain_id(raw.get("category_id"))),
    )
    if image is None or category is None:
        return "of an unknown picture" if image is None else "of an unknown category"
    size = _known_size(image)
    segmentation = _usable_segmentation(raw.get("segmentation"), size)
    box = _numbers(raw.get("bbox"), 4)
    if box is None and segmentation is not None:
        box = _box_of(segmentation)
    if box is None or box[2] < 0 or box[3] < 0:
        return "without a usable box"
    if kind == "segm":
        if segmentation is None:
            return "without a usable mask"
        size = _canvas(size, segmentation)
        if isinstance(segmentation, dict) and tuple(segmentation["size"]) != size:
            return "with a mask of another size than its picture"
        if isinstance(segmentation, list):
            segmentation = mask_api.merge(mask_api.frPyObjects(segmentation, *size))
    area = _numbers([raw.get("area")], 1)
    area = area[0] if area is not None and area[0] >= 0 else _area_of(segmentation, box)
    clean = {
        "id": len(truth.annotations) + 1,
        "image_id": image["id"],
        "category_id": category["id"],
        "bbox": box,
        "area": area,
        "iscrowd": int(bool(raw.get("iscrowd", raw.get("is_crowd", 0)))),
    }
    if kind == "segm":
        clean["segmentation"] = segmentation
    truth.annotations.append(clean)
    return None


def _numbers(values, count=None):
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    if not all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        for value in values
    ):
        return None
    return [float(value) for value in values]


def _usable_segmentation(segmentation, size):
    """Polygons of three points or more (a list), compressed RLE whose runs fill its size (a dict), or None; size: (height, width), None."""
    if isinstance(segmentation, list):
        height, width = size or (_FARTHEST, _FARTHEST)
        return [
            polygon
            for polygon in segmentation
            if _numbers(polygon) and check_polygon(polygon, width, height) is not None
        ] or None
    try:
        runs = rle_counts(segmentation)
    except DataError:
        return None
    size = [int(side) for side in segmentation["size"]]
    return (
        mask_api.frPyObjects({"size": size, "counts": runs.tolist()}, *size)
        if max(size) <= _FARTHEST
        else None
    )


def _known_size(image):
    sides = image.get("height"), image.get("width")
    return (
        tuple(int(side) for side in sides)
        if all(_numbers([side]) and 1 <= side <= _FARTHEST for side in sides)
        else None
    )


def _canvas(size, segmentation):
    """(height, width) a mask is drawn on: the picture's, else the RLE's, else what holds the polygons.

    The last case is a picture of unknown size without any detection: only the mask's area counts there, the canvas does not.
    """
    if size is not None:
        return size
    if isinstance(segmentation, dict):
        return tuple(segmentation["size"])
    _, _, right, bottom = segmentation_box(segmentation)
    return max(math.ceil(bottom), 1), max(math.ceil(right), 1)


def _box_of(segmentation):
    if isinstance(segmentation, dict):
        box = [float(value) for value in mask_api.toBbox(segmentation)]
        return box if box[2] > 0 else None
    x1, y1, x2, y2 = segmentation_box(segmentation)
    return [x1, y1, x2 - x1, y2 - y1]


def _area_of(segmentation, box):
    """Pixels: of the mask, of polygons by the shoelace formula (summed over parts), else of the box."""
    if isinstance(segmentation, dict):
        return float(mask_api.area(segmentation))
    if segmentation is None:
        return box[2] * box[3]
    parts = [np.reshape(polygon, (-1, 2)) for polygon in segmentation]
    return float(
        sum(
            abs(np.dot(p[:, 0], np.roll(p[:, 1], 1)) - np.dot(p[:, 1], np.roll(p[:, 0], 1))) / 2
            for p in parts
        )
    )
