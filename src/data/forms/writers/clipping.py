"""Polygons within their picture."""

from __future__ import annotations

from typing import Optional

import numpy as np


def clipped_polygon(polygon: np.ndarray, height: int, width: int) -> Optional[np.ndarray]:
    """The part of a polygon that lies in a picture, by Sutherland and Hodgman's algorithm (1974).

    Args:
        polygon: flat float64 array x, y, x, y, ... in pixels.
        height, width: of the picture in pixels.

    Returns:
        As `polygon`, which is returned where it lies within; None where nothing does.
    """
    points = polygon.reshape(-1, 2)
    for axis, limit in ((0, width), (1, height)):
        if points[:, axis].min() < 0:
            points = _clipped(points, axis, 0.0, 1.0)
        if len(points) and points[:, axis].max() > limit:
            points = _clipped(points, axis, float(limit), -1.0)
        if len(points) < 3:
            return None
    return points.ravel()


def _clipped(points, axis, limit, sign):
    """What lies on the side of a line where sign * (coordinate - limit) is not negative."""
    kept = []
    following = np.roll(points, -1, axis=0)
    for point, after in zip(points, following):
        here = sign * (point[axis] - limit)
        there = sign * (after[axis] - limit)
        if here >= 0:
            kept.append(point)
        if here * there < 0:
            crossing = point + (after - point) * (here / (here - there))
            crossing[axis] = limit
            kept.append(crossing)
    return np.array(kept).reshape(-1, 2)
