"""Polygons of masks: the outlines of what is set, in the picture's pixels."""

from __future__ import annotations

from typing import List

import cv2
import numpy as np

# A mask is enlarged so many times before it is outlined. An outline runs through the middles of the outermost
# pixels. Of the enlarged ones these lie a quarter of a pixel within the mask's edge, so that the polygon
# holds the middle of every pixel that is set, and of no other.
_ENLARGED = 2


def mask_polygons(mask: np.ndarray, left: int = 0, top: int = 0, tolerance: float = 0.0) -> List[np.ndarray]:
    """The outlines of a mask's connected parts. Holes are left out: a polygon has none.

    Args:
        mask: [h, w], not zero is set. It may be a window of a picture.
        left, top: The window's first column and row in the picture.
        tolerance: How far an outline with fewer points may lie from the exact one, in pixels. 0: a picture
            that the polygons are drawn in is the mask again, but for holes.

    Returns:
        float64 [k, 2] each: x, y of at least three points.
    """
    mask = (np.asarray(mask) != 0).astype(np.uint8)
    large = np.repeat(np.repeat(mask, _ENLARGED, 0), _ENLARGED, 1)
    outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = []
    for outline in outlines:
        if tolerance > 0:
            shorter = cv2.approxPolyDP(outline, tolerance * _ENLARGED, closed=True)
            outline = shorter if len(shorter) >= 3 else outline
        points = (outline.reshape(-1, 2) + 0.5) / _ENLARGED
        polygons.append(points + (left, top))
    return polygons
