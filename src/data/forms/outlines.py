"""The outlines that labelling tools have besides polygons, as polygons."""

from __future__ import annotations

import math
from typing import List, Sequence

from ..annotations.mending.via_shapes import ROUND_POINTS


def rectangle(x1: float, y1: float, x2: float, y2: float) -> List[float]:
    """A rectangle as x, y, x, y, ... from two opposite corners."""
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    return [left, top, right, top, right, bottom, left, bottom]


def ellipse(
    centre_x: float, centre_y: float, radius_x: float, radius_y: float, angle: float = 0.0
) -> List[float]:
    """An ellipse as a polygon of ROUND_POINTS corners.

    Args:
        centre_x, centre_y: in pixels.
        radius_x, radius_y: in pixels.
        angle: from the x axis to the first radius, in radians, clockwise as pictures are shown.
    """
    cosine = math.cos(angle)
    sine = math.sin(angle)
    points = []
    for i in range(ROUND_POINTS):
        along = radius_x * math.cos(2 * math.pi * i / ROUND_POINTS)
        across = radius_y * math.sin(2 * math.pi * i / ROUND_POINTS)
        points += [centre_x + along * cosine - across * sine, centre_y + along * sine + across * cosine]
    return points


def is_number(value: object) -> bool:
    """Whether a value from a file is a finite number, and no truth value."""
    return type(value) in (int, float) and abs(value) < 1e9


def are_numbers(values: Sequence[object]) -> bool:
    return all(map(is_number, values))


def rotated(outline: Sequence[float], centre_x: float, centre_y: float, angle: float) -> List[float]:
    """A polygon x, y, x, y, ... rotated around a point, clockwise as pictures are shown.

    Args:
        outline: the polygon.
        centre_x, centre_y: the point.
        angle: in radians; 0 leaves every number as it is.
    """
    if angle == 0:
        return list(outline)
    cosine = math.cos(angle)
    sine = math.sin(angle)
    points = []
    for x, y in zip(outline[0::2], outline[1::2]):
        along = x - centre_x
        across = y - centre_y
        points += [centre_x + along * cosine - across * sine, centre_y + along * sine + across * cosine]
    return points
