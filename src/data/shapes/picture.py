"""One drawn picture, and how its objects are annotated."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from ..images.mask_polygons import mask_polygons
from ..images.rle import mask_to_rle, rle_counts
from .drawn_object import SHAPE_CLASSES, DrawnObject
from .paint import paint_scene
from .scene import OBJECT_COUNT, place_objects, tight_box

# A seed as np.random.default_rng takes it.
Seed = Union[int, Sequence[int]]


class DrawnPicture(NamedTuple):
    """One picture and what is drawn in it.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        objects: from the lowest to the topmost.
    """

    image: np.ndarray
    objects: List[DrawnObject]


def draw_picture(
    size: Tuple[int, int], kind: str, seed: Seed, count: Tuple[int, int] = OBJECT_COUNT
) -> DrawnPicture:
    """Draw one picture.

    Args:
        size: (width, height) in pixels.
        kind: "plain"; "occluded", where an object hides a part of another; "crowd", with a crowd too; or
            "empty".
        seed: a whole number or a tuple of them.
        count: how many objects it should have, as OBJECT_COUNT.
    """
    scene_seed, paint_seed = np.random.SeedSequence(seed).spawn(2)
    objects = []
    if kind != "empty":
        objects = place_objects(np.random.default_rng(scene_seed), size, kind, count)
    return DrawnPicture(paint_scene(np.random.default_rng(paint_seed), size, objects), objects)


def object_annotation(item: DrawnObject) -> Dict[str, Any]:
    """An object's COCO annotation, without its ids: polygons, or the uncompressed RLE of a crowd."""
    mask = item.visible
    if item.crowd:
        segmentation = {"size": list(mask.shape), "counts": rle_counts(mask_to_rle(mask)).tolist()}
    else:
        segmentation = visible_polygons(mask)
    return {
        "category_id": 1 + SHAPE_CLASSES.index(item.shape),
        "iscrowd": int(item.crowd),
        "area": int(mask.sum()),
        "bbox": list(tight_box(mask)),
        "segmentation": segmentation,
    }


def visible_polygons(mask: np.ndarray) -> List[List[float]]:
    """The COCO polygons [[x, y, x, y, ...], ...], in pixels, around the parts of a bool [H, W] mask.

    Parts under 4 pixels are left out. Outlines with few points lie up to half a pixel off.
    """
    left, top, width, height = tight_box(mask)
    part = mask[top : top + height, left : left + width]
    polygons = mask_polygons(part, left, top, tolerance=0.45, enlarged=4, smallest=4)
    return [np.round(polygon, 2).ravel().tolist() for polygon in polygons]
