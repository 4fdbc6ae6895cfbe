"""Shapes of the VGG Image Annotator (https://www.robots.ox.ac.uk/~vgg/software/via/) as polygons."""

from __future__ import annotations

import math
from typing import List, Optional

ROUND_POINTS = 128  # corners of a circle's polygon; its area is 0.04% below the circle's


def via_polygons(shape: dict) -> Optional[List[List[float]]]:
    """The polygons of a VIA shape.

    Args:
        shape: VIA's shape_attributes; a region, {"shape_attributes": ..., ...}; or regions by their numbers,
            {"0": ..., "1": ...}, as VIA 1 has them.

    Returns:
        Lists x, y, x, y, ... in pixels; None for what is not such a shape or has no area.
    """
    if "shape_attributes" in shape:
        shape = shape["shape_attributes"]
    elif shape and all(isinstance(key, str) and key.isdecimal() for key in shape):
        polygons = [_region(region) for region in shape.values()]
        return None if None in polygons else polygons
    polygon = _polygon(shape) if isinstance(shape, dict) else None
    return None if polygon is None else [polygon]


def _region(region):
    """The polygon of one of the numbered regions."""
    shape = region.get("shape_attributes", region) if isinstance(region, dict) else None
    return _polygon(shape) if isinstance(shape, dict) else None


def _polygon(shape):
    """The polygon of shape_attributes."""
    name = shape.get("name")
    if name in ("polygon", "polyline") or (name is None and "all_points_x" in shape):
        return _from_points(shape.get("all_points_x"), shape.get("all_points_y"))
    if name == "rect":
        return _from_rectangle(*_numbers(shape, "x", "y", "width", "height"))
    if name == "circle":
        centre_x, centre_y, radius = _numbers(shape, "cx", "cy", "r")
        return _from_ellipse(centre_x, centre_y, radius, radius, 0.0)
    if name == "ellipse":
        return _from_ellipse(*_numbers(shape, "cx", "cy", "rx", "ry"), _number(shape.get("theta", 0)))
    return None


def _number(value):
    """A finite number as a float, NaN for anything else."""
    if type(value) not in (int, float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _numbers(shape, *keys):
    return [_number(shape.get(key)) for key in keys]


def _from_points(x, y):
    if type(x) is not list or type(y) is not list or len(x) != len(y) or len(x) < 3:
        return None
    points = [_number(value) for pair in zip(x, y) for value in pair]
    return None if any(map(math.isnan, points)) else points


def _from_rectangle(x, y, width, height):
    if math.isnan(x + y) or not (width > 0 and height > 0):
        return None
    right = x + width
    bottom = y + height
    return [x, y, right, y, right, bottom, x, bottom]


def _from_ellipse(centre_x, centre_y, radius_x, radius_y, theta):
    """theta: radians from the x axis to the first radius, clockwise as pictures are shown (y downwards)."""
    # VIA writes theta as radians of at most a whole circle; more must be in another unit
    if math.isnan(centre_x + centre_y) or not (radius_x > 0 and radius_y > 0 and abs(theta) <= 2 * math.pi):
        return None
    cosine = math.cos(theta)
    sine = math.sin(theta)
    points = []
    for i in range(ROUND_POINTS):
        along = radius_x * math.cos(2 * math.pi * i / ROUND_POINTS)
        across = radius_y * math.sin(2 * math.pi * i / ROUND_POINTS)
        points.append(centre_x + along * cosine - across * sine)
        points.append(centre_y + along * sine + across * cosine)
    return points
