"""One annotation of a COCO-like file, cleaned so that pycocotools can use it."""

from __future__ import annotations

import math
from typing import Optional, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ..data.images.rasterize import segmentation_box
from ..data.images.rle import rle_counts
from ..errors import DataError

_MAX_SIDE = 50_000  # pixels: no picture is larger, and pycocotools counts pixels in 32 bits


def clean_annotation(annotation: dict, image: dict, kind: str) -> Tuple[Optional[dict], Optional[str]]:
    """Check and complete one annotation. A missing box or area is computed from what is there.

    Args:
        annotation: an entry of the file's "annotations".
        image: the entry of the picture that it belongs to.
        kind: "bbox" or "segm".

    Returns:
        (clean annotation, None), or (None, what is wrong with it). The clean annotation has
        `bbox` (x, y, w, h in pixels), `area` in pixels, `iscrowd` 0 or 1,
        and for kind "segm" a `segmentation` as compressed RLE.
    """
    size = _picture_size(image)
    segmentation = _valid_segmentation(annotation.get("segmentation"), size)
    box = _finite_numbers(annotation.get("bbox"), 4)
    if box is None and segmentation is not None:
        box = _box_of(segmentation)
    if box is None or box[2] < 0 or box[3] < 0:
        return None, "without a usable box"
    if kind == "segm":
        if segmentation is None:
            return None, "without a usable mask"
        size = _mask_size(size, segmentation)
        if isinstance(segmentation, dict) and tuple(segmentation["size"]) != size:
            return None, "with a mask of another size than its picture"
        if isinstance(segmentation, list):
            segmentation = mask_api.merge(mask_api.frPyObjects(segmentation, *size))
    area = _finite_numbers([annotation.get("area")], 1)
    clean = {
        "bbox": box,
        "area": area[0] if area is not None and area[0] >= 0 else _area_of(segmentation, box),
        "iscrowd": int(bool(annotation.get("iscrowd", annotation.get("is_crowd", 0)))),
    }
    if kind == "segm":
        clean["segmentation"] = segmentation
    return clean, None


def _finite_numbers(values, count=None):
    """The values as floats if they are a list of finite numbers (of `count` entries), else None."""
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    for value in values:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            return None
    return [float(value) for value in values]


def _picture_size(image):
    """(height, width) of a picture's entry, or None where the file does not give a possible size."""
    sides = (image.get("height"), image.get("width"))
    if all(_finite_numbers([side]) and 1 <= side <= _MAX_SIDE for side in sides):
        return tuple(int(side) for side in sides)
    return None


def _valid_segmentation(segmentation, size):
    """The part of a segmentation that can be used.

    Returns:
        A list of polygons of three points or more, or a dict of compressed RLE whose runs fill its size,
        or None.
    """
    if isinstance(segmentation, list):
        longer_side = max(size) if size is not None else _MAX_SIDE
        polygons = [polygon for polygon in segmentation if _is_polygon(polygon, longer_side)]
        return polygons or None
    try:
        runs = rle_counts(segmentation)
    except DataError:
        return None
    rle_size = [int(side) for side in segmentation["size"]]
    if max(rle_size) > _MAX_SIDE:
        return None
    return mask_api.frPyObjects({"size": rle_size, "counts": runs.tolist()}, *rle_size)


def _is_polygon(polygon, longer_side):
    """Whether a value is a list x, y, x, y, ... of three points or more, none far outside the picture.

    A polygon that is farther out than the picture's longer side is a mistake in units or axes.
    To draw its mask could take any amount of memory.
    """
    numbers = _finite_numbers(polygon)
    if numbers is None or len(numbers) < 6 or len(numbers) % 2:
        return False
    return min(numbers) >= -longer_side and max(numbers) <= 2 * longer_side


def _mask_size(size, segmentation):
    """(height, width) on which a mask is drawn: the picture's, else the RLE's, else what holds the polygons.

    The last case is a picture of unknown size that has no detection. There only the mask's area matters.
    """
    if size is not None:
        return size
    if isinstance(segmentation, dict):
        return tuple(segmentation["size"])
    _, _, right, bottom = segmentation_box(segmentation)
    return max(math.ceil(bottom), 1), max(math.ceil(right), 1)


def _box_of(segmentation):
    """The box x, y, w, h around a segmentation, or None for an RLE without pixels."""
    if isinstance(segmentation, dict):
        box = [float(value) for value in mask_api.toBbox(segmentation)]
        return box if box[2] > 0 else None
    x1, y1, x2, y2 = segmentation_box(segmentation)
    return [x1, y1, x2 - x1, y2 - y1]


def _area_of(segmentation, box):
    """Area in pixels: of the RLE, else of the polygons by the shoelace formula (summed), else of the box."""
    if isinstance(segmentation, dict):
        return float(mask_api.area(segmentation))
    if segmentation is None:
        return box[2] * box[3]
    area = 0.0
    for polygon in segmentation:
        points = np.reshape(polygon, (-1, 2))
        x = points[:, 0]
        y = points[:, 1]
        area += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    return float(area)
