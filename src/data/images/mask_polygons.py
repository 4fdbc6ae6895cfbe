"""Polygons of masks: the outlines of what is set, in the picture's pixels."""

from __future__ import annotations

from typing import List

import cv2
import numpy as np

# A mask is enlarged so many times before it is outlined. An outline runs through the middles of the outermost
# pixels. Of the enlarged ones these lie a quarter of a pixel within the mask's edge, so that the polygon
# holds the middle of every pixel that is set, and of no other.
_ENLARGED = 2


def mask_polygons(
    mask: np.ndarray,
    left: int = 0,
    top: int = 0,
    tolerance: float = 0.0,
    enlarged: int = _ENLARGED,
    smallest: float = 0.0,
) -> List[np.ndarray]:
    """The outlines of a mask's connected parts. Holes are left out: a polygon has none.

    Args:
        mask: [h, w], not zero is set. It may be a window of a picture.
        left, top: The window's first column and row in the picture.
        tolerance: How far an outline with fewer points may lie from the exact one, in pixels. 0: a picture
            that the polygons are drawn in is the mask again, but for holes.
        enlarged: How many times the mask is enlarged before. The outline lies 1 / (2 * enlarged) pixels
            within the mask's edge.
        smallest: Parts whose outline holds fewer pixels are left out.

    Returns:
        float64 [k, 2] each: x, y of at least three points.
    """
    mask = (np.asarray(mask) != 0).astype(np.uint8)
    large = np.repeat(np.repeat(mask, enlarged, 0), enlarged, 1)
    kept_points = cv2.CHAIN_APPROX_NONE if tolerance > 0 else cv2.CHAIN_APPROX_SIMPLE
    outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, kept_points)
    polygons = []
    for outline in outlines:
        if smallest and cv2.contourArea(outline) < smallest * enlarged**2:
            continue
        if tolerance > 0:
            shorter = cv2.approxPolyDP(outline, tolerance * enlarged, closed=True)
            outline = shorter if len(shorter) >= 3 else outline
        points = (outline.reshape(-1, 2) + 0.5) / enlarged
        polygons.append(points + (left, top))
    return polygons


def mask_rings(mask: np.ndarray, left: int = 0, top: int = 0) -> List[List[np.ndarray]]:
    """The outlines of a mask's connected parts along the edges of the pixels, with those of their holes.

    Args:
        mask: [h, w], not zero is set. It may be a window of a picture.
        left, top: The window's first column and row in the picture.

    Returns:
        For each part [outer, hole, ...], float64 [k, 2] each: x, y, whole numbers.
    """
    mask = (np.asarray(mask) != 0).astype(np.uint8)
    large = np.repeat(np.repeat(mask, 2, 0), 2, 1)
    outlines, links = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts = {}
    for number, outline in enumerate(outlines):
        # A pixel is two by two of the enlarged ones: the first of them has its left and upper edge, the
        # other the right and lower one.
        points = (outline.reshape(-1, 2) + 1) // 2
        is_new = (points != np.roll(points, 1, axis=0)).any(1)
        points = (points[is_new] + (left, top)).astype(np.float64)
        outer = int(links[0][number][3])
        if outer < 0:
            parts.setdefault(number, []).insert(0, points)
        else:
            parts.setdefault(outer, []).append(points)
    return list(parts.values())
