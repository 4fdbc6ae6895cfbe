"""Polygons for forms that have no run lengths, no holes, or one polygon an object.

Several outlines, and holes, become one polygon by bridges without width: it goes to the next outline and
comes back the same way. COCO's rule (pycocotools) counts crossings, and the two ways cancel out, so that the
same pixels are set. OpenCV's fillPoly draws a bridge as a line of one pixel: between an outline and its hole
that changes nothing, between two parts of an object it shows.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Union

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ...images.mask_polygons import mask_rings
from ...images.rasterize import rasterize_polygons
from ...images.rle import rle_counts, rle_extent

LEAST_IOU = 0.98  # of an outline with fewer points and its mask
_MOST_PAIRS = 4_000_000  # points of two outlines that are compared with each other


class MaskWindow(NamedTuple):
    """The part of a picture that holds a mask.

    Attributes:
        mask: uint8 0/1 [h, w].
        left, top: its first column and row in the picture.
    """

    mask: np.ndarray
    left: int
    top: int


def rle_window(rle: dict) -> Optional[MaskWindow]:
    """The pixels of an RLE within the box around them; None where nothing is set.

    Args:
        rle: {"size": [height, width], "counts": ...}, compressed or not.

    Raises:
        DataError: the RLE is corrupt.
    """
    height = int(rle["size"][0])
    runs = rle_counts(rle)
    box = rle_extent(runs, height).box
    if box is None:
        return None
    left, top, right, bottom = map(int, box)
    # the columns of the window alone
    ends = np.clip(np.cumsum(runs), left * height, right * height)
    lengths = np.diff(ends, prepend=left * height)
    flat = np.repeat(np.arange(len(lengths), dtype=np.uint8) & 1, lengths)
    columns = flat.reshape(right - left, height)
    return MaskWindow(np.ascontiguousarray(columns[:, top:bottom].T), left, top)


def polygons_window(polygons: Sequence[np.ndarray], height: int, width: int) -> Optional[MaskWindow]:
    """As `rle_window`, of flat polygons in a picture of that size."""
    mask = rasterize_polygons(polygons, height, width)
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    top = int(rows[0])
    left = int(columns[0])
    return MaskWindow(mask[top : rows[-1] + 1, left : columns[-1] + 1], left, top)


def joined(outlines: Sequence[np.ndarray]) -> np.ndarray:
    """One polygon of several: from each a bridge leads to the nearest point of the next.

    Args:
        outlines: float64 [k, 2] each, which share no pixel, or lie in one another as holes.

    Returns:
        float64 [k, 2].
    """
    ways_there: List[np.ndarray] = []
    ways_back: List[np.ndarray] = []
    entry = 0
    for outline, following in zip(outlines, outlines[1:]):
        start, next_entry = _nearest_points(outline, following)
        turned = np.roll(outline, -entry, axis=0)
        bridge = (start - entry) % len(outline)
        ways_there.append(turned[: bridge + 1])
        # the first outline is closed by the polygon's end
        ways_back.append(np.concatenate([turned[bridge:], turned[: len(ways_back) > 0]]))
        entry = next_entry
    last = np.roll(outlines[-1], -entry, axis=0)
    if not ways_there:
        return last
    return np.concatenate([*ways_there, last, last[:1], *reversed(ways_back)])


def _nearest_points(first, second):
    """The positions of a point of each of two outlines that are near each other."""
    step = 1 + len(first) * len(second) // _MOST_PAIRS  # any bridge will do
    distances = ((first[::step, None] - second[None]) ** 2).sum(-1)
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    return int(i) * step, int(j)


def union_polygons(segmentation: Union[list, dict]) -> List[np.ndarray]:
    """Polygons whose union is an object's mask, exactly: holes are reached by bridges.

    Args:
        segmentation: flat polygons, which are returned, or an RLE.

    Returns:
        Flat float64 arrays x, y, x, y, ...
    """
    if not isinstance(segmentation, dict):
        return [np.asarray(polygon, np.float64) for polygon in segmentation]
    window = rle_window(segmentation)
    if window is None:
        return []
    return [joined(rings).ravel() for rings in mask_rings(*window)]


class SinglePolygon(NamedTuple):
    """One polygon of an object.

    Attributes:
        points: a flat float64 array x, y, x, y, ... in pixels.
        is_joined: whether it has bridges.
    """

    points: np.ndarray
    is_joined: bool


def single_polygon(segmentation: Union[list, dict], height: int, width: int) -> Optional[SinglePolygon]:
    """One polygon of an object; it sets the pixels that the object sets. None for a mask without a pixel.

    Args:
        segmentation: flat polygons or an RLE.
        height, width: of the picture in pixels.
    """
    if isinstance(segmentation, dict):
        return _joined_window(rle_window(segmentation))
    if len(segmentation) == 1:
        return SinglePolygon(np.asarray(segmentation[0], np.float64), False)
    whole = joined([np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in segmentation]).ravel()
    polygons = [whole.tolist(), *(np.asarray(part).tolist() for part in segmentation)]
    rles = mask_api.frPyObjects(polygons, height, width)
    # Where parts overlap, crossings cancel out and the one polygon has a hole.
    if mask_api.area(rles[0]) == mask_api.area(mask_api.merge(rles[1:])):
        return SinglePolygon(whole, True)
    return _joined_window(polygons_window(segmentation, height, width))


def _joined_window(window):
    if window is None:
        return None
    rings = [ring for rings in mask_rings(*window) for ring in rings]
    return SinglePolygon(joined(rings).ravel(), len(rings) > 1)


def editable_polygons(window: MaskWindow, tolerance: float, least_iou: float = LEAST_IOU) -> List[np.ndarray]:
    """Outlines of a mask with few points, for people who move them.

    The tolerance is lowered until the polygons' IoU with the mask is high enough. Holes are filled, unless
    they are what lowers the IoU: then bridges lead to them.

    Args:
        window: the mask.
        tolerance: how far, in pixels, an outline may lie from the exact one.
        least_iou: the IoU that is kept.

    Returns:
        Flat float64 arrays x, y, x, y, ... in the picture's pixels, one for each part.
    """
    mask, left, top = window
    rings = mask_rings(mask)
    area = int(mask.sum())
    outer_pixels = rasterize_polygons([outer.ravel() for outer, *_ in rings], *mask.shape)
    keeps_holes = outer_pixels.sum() - area > (1 - least_iou) / 2 * area
    while True:
        polygons = []
        for outer, *holes in rings:
            simple = [_simplified(ring, tolerance) for ring in ([outer, *holes] if keeps_holes else [outer])]
            polygons.append(joined(simple).ravel())
        if tolerance <= 0 or _iou(polygons, mask) >= least_iou:
            return [polygon + np.tile((left, top), len(polygon) // 2) for polygon in polygons]
        tolerance = 0.8 * tolerance if tolerance > 0.1 else 0.0


def _simplified(ring, tolerance):
    """An outline with fewer points; itself where fewer than three would be left."""
    if tolerance <= 0:
        return ring
    middles = _middles(ring).astype(np.float32).reshape(-1, 1, 2)
    shorter = cv2.approxPolyDP(middles, tolerance, closed=True)
    return shorter.reshape(-1, 2).astype(np.float64) if len(shorter) >= 3 else ring


def _middles(ring):
    """The middles of the pixels' edges along a ring of `mask_rings`: a slope without the steps."""
    sides = np.roll(ring, -1, axis=0) - ring
    lengths = np.abs(sides).sum(1).astype(int)  # each side is along an axis
    number = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(ring, lengths, 0) + np.repeat(np.sign(sides), lengths, 0) * (number[:, None] + 0.5)


def _iou(polygons, mask):
    drawn = rasterize_polygons(polygons, *mask.shape)
    return (drawn & mask).sum() / (drawn | mask).sum()
