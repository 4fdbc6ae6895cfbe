"""The objects of a drawn picture: their shapes, where they are, and which of them hide others."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .paint import rasterise

SHAPE_CLASSES = ("circle", "triangle", "rectangle", "star")


SMALLEST, LARGEST = (
    0.06,
    0.60,
)  # longer side of an object's box over the picture's shorter side, in the annotations


COUNT = (5, 9)  # objects wanted in a picture, the second number excluded; fewer where they do not fit


HIDDEN = (0.27, 0.60)  # how much of the hidden object of an "occluded" picture the object over it covers


def tight_box(mask):
    """(left, top, width, height), whole pixels, of a bool [H, W] mask that is not empty."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def place_objects(rng, size, kind):
    """The objects of a picture as `draw_picture` returns them.

    `rng` places and shapes them and knows nothing of colours.
    """
    wanted = int(rng.integers(*COUNT))
    while True:
        objects = []
        if kind == "crowd":
            objects.append(_heap(rng, size))
        for _ in range(60):
            if len(objects) >= wanted:
                break
            _try_to_add(objects, _one_shape(rng, size, _extent(rng)))
        if kind != "occluded":
            return objects
        # of a very small one too little would be left to know it by
        large = [item for item in objects if max(tight_box(item["full"])[2:]) >= 0.12 * min(size)]
        for _ in range(60 if large else 0):
            below = large[int(rng.integers(len(large)))]
            if _try_to_add(objects, _shape_over(rng, size, below), below):
                return objects


def _extent(rng):
    """A longer side over the picture's shorter one: every size between the bounds, large ones more often, as
    fewer of them find room.
    """
    return SMALLEST * 1.08 + (LARGEST * 0.98 - SMALLEST * 1.08) * float(rng.uniform()) ** 0.8


def _try_to_add(objects, new, hidden=None):
    """Add `new` on top if all stay recognisable (and `hidden`, if given, gets hidden by the wanted part); say
    whether it was added.
    """
    if new is None:
        return False
    changed = [
        (item, item["visible"] & ~new["full"]) for item in objects if (item["visible"] & new["full"]).any()
    ]
    if not _is_whole(new["full"]):
        return False
    for item, visible in changed:
        seen = visible.sum() / item["full"].sum()
        if (
            item["crowd"]
            or seen < 1 - HIDDEN[1]
            or not _is_whole(visible)
            or (item is not hidden and seen < 0.8)
        ):
            return False
    if hidden is not None and (hidden["full"] & new["full"]).sum() < HIDDEN[0] * hidden["full"].sum():
        return False
    for item, visible in changed:
        item["visible"] = visible
    objects.append(new)
    return True


def _is_whole(mask):
    """Whether polygons can hold a mask (no holes, no crumbs) and its box is within the promised sizes."""
    if not mask.any():
        return False
    left, top, width, height = tight_box(mask)
    if not SMALLEST <= max(width, height) / min(mask.shape) <= LARGEST:
        return False
    part = mask[top : top + height, left : left + width].astype(np.uint8)
    _, tree = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    areas = cv2.connectedComponentsWithStats(part, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
    return (tree[0, :, 3] < 0).all() and areas.min() >= 0.05 * areas.sum()


def _one_shape(rng, size, extent, centre=None, shape=None):
    """An object whose longer side is `extent` of the picture's shorter one, wholly inside.

    None if `centre` does not let it be.
    """
    shape = SHAPE_CLASSES[int(rng.integers(len(SHAPE_CLASSES)))] if shape is None else shape
    points = _outline(rng, shape)
    points -= (points.min(0) + points.max(0)) / 2
    points *= extent * min(size) / np.ptp(points, axis=0).max()
    half = np.ptp(points, axis=0) / 2 + 1
    centre = rng.uniform(half, np.asarray(size) - half) if centre is None else np.asarray(centre)
    if (centre < half).any() or (centre > np.asarray(size) - half).any():
        return None
    mask = rasterise([points + centre], size)
    return {"shape": shape, "crowd": False, "outlines": [points + centre], "full": mask, "visible": mask}


def _outline(rng, shape):
    """float [n, 2] vertices of a shape of about unit size, turned by any angle.

    Rectangles and triangles come in several proportions.
    """
    if shape == "rectangle":
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (1, rng.uniform(0.45, 0.75))
    else:
        count, inner = {"circle": (64, 1), "triangle": (3, 1), "star": (10, 0.42)}[shape]
        angles = np.arange(count) * 2 * math.pi / count
        points = (
            np.stack([np.cos(angles), np.sin(angles)], 1) * np.where(np.arange(count) % 2, inner, 1)[:, None]
        )
        if shape == "triangle":
            points *= (1, rng.uniform(0.75, 1.25))
    angle = rng.uniform(0, 2 * math.pi)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _shape_over(rng, size, below):
    """An object that lies across the edge of `below`, so that it hides a part of it and no hole is left."""
    points = np.concatenate(below["outlines"])
    low, high = points.min(0), points.max(0)
    reach = float(np.max(high - low)) / min(size)
    angle = rng.uniform(0, 2 * math.pi)
    extent = min(max(reach * rng.uniform(0.6, 1.3), SMALLEST * 1.08), LARGEST * 0.98)
    shift = rng.uniform(0.3, 0.6) * (reach + extent) / 2 * min(size)
    return _one_shape(
        rng, size, extent, (low + high) / 2 + shift * np.array([math.cos(angle), math.sin(angle)])
    )


def _heap(rng, size):
    """A crowd: 7 to 14 small shapes of one class close together."""
    shape = SHAPE_CLASSES[int(rng.integers(len(SHAPE_CLASSES)))]
    spread = rng.uniform(0.12, 0.2) * min(size)
    centre = rng.uniform(spread * 2, np.asarray(size) - spread * 2)
    members = [
        _one_shape(rng, size, rng.uniform(0.06, 0.09), centre + spread * rng.uniform(-1, 1, 2), shape)
        for _ in range(rng.integers(7, 15))
    ]
    outlines = [outline for member in members if member is not None for outline in member["outlines"]]
    mask = rasterise(outlines, size)
    return {"shape": shape, "crowd": True, "outlines": outlines, "full": mask, "visible": mask}
