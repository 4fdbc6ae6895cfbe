"""The objects of a drawn picture: their shapes, where they are, and which of them hide others."""

from __future__ import annotations

import math
from typing import List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from .drawn_object import SHAPE_CLASSES, DrawnObject
from .paint import rasterise

# Bounds of an object's size: the longer side of its annotated box over the picture's shorter side.
SMALLEST = 0.08
LARGEST = 0.60
# Sizes are drawn a little within the bounds, as rasterising moves a box's sides by up to a pixel.
_SMALLEST_DRAWN = SMALLEST * 1.08
_LARGEST_DRAWN = LARGEST * 0.98

# The number of objects that a picture should have: from the first up to, but without, the second.
# It has fewer where no more fit.
OBJECT_COUNT = (3, 7)
# Of a picture to learn from. Pictures take the same time to train on, however many objects they have.
TRAINING_OBJECT_COUNT = (7, 13)

# In an "occluded" picture, the share of the hidden object's pixels that the object over it covers.
LEAST_HIDDEN = 0.25
MOST_HIDDEN = 0.45
# A little more, as another way of rasterising counts some pixels of the edges differently.
_LEAST_HIDDEN_DRAWN = LEAST_HIDDEN * 1.08
# Every other object keeps at least this share of its pixels visible.
_LEAST_VISIBLE = 0.95
# An object with a longer side below this one (over the picture's shorter side) is never the hidden one:
# what is left of it could not be recognised.
_SMALLEST_HIDDEN = 0.12

# How often a random object is tried before the picture is given up or is left with fewer objects.
_ATTEMPTS = 60


class TightBox(NamedTuple):
    """The smallest box around the pixels of a mask, in whole pixels: COCO's `bbox`."""

    left: int
    top: int
    width: int
    height: int


def tight_box(mask: np.ndarray) -> TightBox:
    """The TightBox of a bool [H, W] mask that is not empty."""
    columns = np.flatnonzero(mask.any(0))
    rows = np.flatnonzero(mask.any(1))
    left = int(columns[0])
    top = int(rows[0])
    return TightBox(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)


def place_objects(
    rng: np.random.Generator, size: Tuple[int, int], kind: str, count: Tuple[int, int] = OBJECT_COUNT
) -> List[DrawnObject]:
    """The objects of a picture, from the lowest to the topmost.

    Args:
        rng: decides shapes and positions, and is used for nothing else: colours have another generator.
        size: (width, height) of the picture in pixels.
        kind: as of `draw_picture`, but not "empty".
        count: as OBJECT_COUNT.
    """
    wanted = int(rng.integers(*count))
    while True:
        objects: List[DrawnObject] = []
        if kind == "crowd":
            objects.append(_random_crowd(rng, size))
        for _ in range(_ATTEMPTS):
            if len(objects) >= wanted:
                break
            _add_if_recognisable(objects, _random_object(rng, size, _random_extent(rng)))
        if kind != "occluded" or _add_hiding_object(rng, size, objects):
            return objects


def _add_hiding_object(rng: np.random.Generator, size: Tuple[int, int], objects: List[DrawnObject]) -> bool:
    """Add an object that hides a part of another one; False if none fits, so that the picture starts anew."""
    large = [item for item in objects if _longer_side(item.full) >= _SMALLEST_HIDDEN * min(size)]
    if not large:
        return False
    for _ in range(_ATTEMPTS):
        below = large[int(rng.integers(len(large)))]
        if _add_if_recognisable(objects, _random_object_over(rng, size, below), below):
            return True
    return False


def _longer_side(mask: np.ndarray) -> int:
    box = tight_box(mask)
    return max(box.width, box.height)


def _random_extent(rng: np.random.Generator) -> float:
    """The longer side of an object over the picture's shorter side, between the bounds.

    Large ones are drawn more often, because fewer of them fit.
    """
    return _SMALLEST_DRAWN + (_LARGEST_DRAWN - _SMALLEST_DRAWN) * float(rng.uniform()) ** 0.8


def _add_if_recognisable(
    objects: List[DrawnObject], new: Optional[DrawnObject], hidden: Optional[DrawnObject] = None
) -> bool:
    """Put an object on top of the others, if all of them stay recognisable.

    Args:
        objects: the objects so far. The new one is appended, and `visible` of those it covers changes.
        new: the object. None, one that does not fit into the picture, is never added.
        hidden: the one of `objects` that the new one has to hide by _LEAST_HIDDEN_DRAWN to MOST_HIDDEN.

    Returns:
        Whether it was added.
    """
    if new is None or not _is_annotatable(new.full):
        return False
    covered = [
        (item, item.visible & ~new.full) for item in objects if (item.visible & new.full).any()
    ]  # each with what stays visible of it
    for item, visible in covered:
        visible_share = visible.sum() / item.full.sum()
        least = 1 - MOST_HIDDEN if item is hidden else _LEAST_VISIBLE
        if item.crowd or visible_share < least or not _is_annotatable(visible):
            return False
    if hidden is not None and (hidden.full & new.full).sum() < _LEAST_HIDDEN_DRAWN * hidden.full.sum():
        return False
    for item, visible in covered:
        item.visible = visible
    objects.append(new)
    return True


def _is_annotatable(mask: np.ndarray) -> bool:
    """Whether polygons can describe a bool [H, W] mask, and its box is within SMALLEST and LARGEST.

    Polygons cannot describe holes. Parts under a twentieth of the area are too small to be annotated.
    """
    if not mask.any():
        return False
    box = tight_box(mask)
    if not SMALLEST <= max(box.width, box.height) / min(mask.shape) <= LARGEST:
        return False
    part = mask[box.top : box.top + box.height, box.left : box.left + box.width].astype(np.uint8)
    _, hierarchy = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # the last of a contour's four entries is its parent, which only the contour of a hole has
    parents = hierarchy[0, :, 3]
    _, _, statistics, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    # component 0 is the background
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return bool((parents < 0).all() and areas.min() >= 0.05 * areas.sum())


def _random_object(
    rng: np.random.Generator,
    size: Tuple[int, int],
    extent: float,
    centre: Optional[np.ndarray] = None,
    shape: Optional[str] = None,
) -> Optional[DrawnObject]:
    """An object that lies wholly inside of the picture.

    Args:
        rng: decides what is not given.
        size: (width, height) of the picture in pixels.
        extent: the object's longer side over the picture's shorter side.
        centre: x, y of its box's centre in pixels; random if None.
        shape: a name of SHAPE_CLASSES; random if None.

    Returns:
        The object; None if at `centre` it would not lie inside of the picture.
    """
    shape = SHAPE_CLASSES[int(rng.integers(len(SHAPE_CLASSES)))] if shape is None else shape
    points = _random_outline(rng, shape)
    points -= (points.min(0) + points.max(0)) / 2
    points *= extent * min(size) / np.ptp(points, axis=0).max()
    # half of its box's sides, and a pixel between it and the picture's border
    half = np.ptp(points, axis=0) / 2 + 1
    centre = rng.uniform(half, np.asarray(size) - half) if centre is None else centre
    if (centre < half).any() or (centre > np.asarray(size) - half).any():
        return None
    outline = points + centre
    mask = rasterise([outline], size)
    return DrawnObject(shape, crowd=False, outlines=[outline], full=mask, visible=mask)


def _random_outline(rng: np.random.Generator, shape: str) -> np.ndarray:
    """float [n, 2] vertices of a shape of about unit size, rotated by a random angle.

    Rectangles and triangles come in several proportions.
    """
    if shape == "rectangle":
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (1, rng.uniform(0.45, 0.75))
    else:
        # the number of vertices, and the radius of every second one
        count, inner = {"circle": (64, 1), "triangle": (3, 1), "star": (10, 0.42)}[shape]
        angles = np.arange(count) * 2 * math.pi / count
        radii = np.where(np.arange(count) % 2, inner, 1)
        points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        if shape == "triangle":
            points *= (1, rng.uniform(0.75, 1.25))
    angle = rng.uniform(0, 2 * math.pi)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _random_object_over(
    rng: np.random.Generator, size: Tuple[int, int], below: DrawnObject
) -> Optional[DrawnObject]:
    """An object across the edge of `below`, so that it hides a part of it and leaves no hole in it."""
    points = np.concatenate(below.outlines)
    low = points.min(0)
    high = points.max(0)
    extent_below = float(np.max(high - low)) / min(size)
    angle = rng.uniform(0, 2 * math.pi)
    extent = min(max(extent_below * rng.uniform(0.6, 1.3), _SMALLEST_DRAWN), _LARGEST_DRAWN)
    distance = rng.uniform(0.3, 0.6) * (extent_below + extent) / 2 * min(size)
    centre = (low + high) / 2 + distance * np.array([math.cos(angle), math.sin(angle)])
    return _random_object(rng, size, extent, centre)


def _random_crowd(rng: np.random.Generator, size: Tuple[int, int]) -> DrawnObject:
    """A crowd: 7 to 14 small shapes of one class close together, without those that do not fit."""
    shape = SHAPE_CLASSES[int(rng.integers(len(SHAPE_CLASSES)))]
    spread = rng.uniform(0.12, 0.2) * min(size)
    centre = rng.uniform(spread * 2, np.asarray(size) - spread * 2)
    outlines: List[np.ndarray] = []
    for _ in range(rng.integers(7, 15)):
        extent = rng.uniform(0.06, 0.09)
        member = _random_object(rng, size, extent, centre + spread * rng.uniform(-1, 1, 2), shape)
        if member is not None:
            outlines += member.outlines
    mask = rasterise(outlines, size)
    return DrawnObject(shape, crowd=True, outlines=outlines, full=mask, visible=mask)
