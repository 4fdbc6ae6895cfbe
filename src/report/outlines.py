"""Boxes and outlines of masks as SVG, in the pixels of their picture."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

import cv2
import numpy as np
from pycocotools import mask as mask_api

from .charts import PALETTE
from .markup import Markup, element, join, text


class Shape(NamedTuple):
    """An object or a detection in a picture.

    Attributes:
        box: x, y, w, h in pixels.
        segmentation: RLE, or None: the box alone.
        category: position of its class.
        name: of the class.
        score: of a detection; None for an object.
        is_error: a false detection, or an object that is missed.
        is_crowd: a group of objects.
    """

    box: Sequence[float]
    segmentation: Optional[Mapping[str, Any]]
    category: int
    name: str
    score: Optional[float]
    is_error: bool
    is_crowd: bool = False


def rounded_score(score: float) -> str:
    """A score as the page's program compares it."""
    return f"{score:.4f}"


def draw_shapes(shapes: Sequence[Shape], height: int, width: int) -> Markup:
    """The shapes as SVG groups, the last ones on top; those of detections hold their score for the slider."""
    return join(_draw_shape(shape, height, width) for shape in shapes)


def _draw_shape(shape: Shape, height: int, width: int) -> Markup:
    size = max(height, width)
    x, y, w, h = (round(value) for value in shape.box)
    left, anchor = (x, "start") if x < 0.6 * width else (x + w, "end")
    letters = max(size * 0.034, 6)
    caption = shape.name if shape.score is None else f"{shape.name} {shape.score:.2f}"
    if shape.is_crowd:
        caption += " (crowd)"
    path = outline_path(shape.segmentation, size / 600) if shape.segmentation is not None else ""
    top = y - 0.25 * letters if y > 1.2 * letters else y + letters
    classes = f"shape k{shape.category % len(PALETTE)}"
    if shape.is_error:
        classes += " error"
    return Markup(
        f'<g class="{classes}"'
        + ("" if shape.score is None else f' data-score="{rounded_score(shape.score)}"')
        + ">"
        f"{element('title', caption)}"
        + (f'<path d="{path}"/>' if path else "")
        + f'<rect x="{x}" y="{y}" width="{max(w, 1)}" height="{max(h, 1)}"/>'
        f'<text x="{left}" y="{top:.0f}" font-size="{letters:.0f}" text-anchor="{anchor}">'
        f"{text(caption)}</text></g>"
    )


def outline_path(segmentation: Mapping[str, Any], tolerance: float) -> str:
    """The outlines of a mask, holes included, as the "d" of an SVG path; "" for an empty mask.

    Args:
        segmentation: a compressed RLE.
        tolerance: how far a simplified outline may be from the pixels' centres, in pixels.
    """
    x, y, w, h = (int(value) for value in mask_api.toBbox(segmentation))
    if w < 1 or h < 1:
        return ""
    mask = mask_api.decode(segmentation)[y : y + h, x : x + w]
    # One more pixel right and below makes the outline run along the outer edges of the last pixels.
    outer = np.zeros((h + 1, w + 1), np.uint8)
    for rows in (slice(0, h), slice(1, h + 1)):
        for columns in (slice(0, w), slice(1, w + 1)):
            outer[rows, columns] |= mask
    contours, _ = cv2.findContours(outer, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    parts: List[str] = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, tolerance, True).reshape(-1, 2).tolist()
        if len(points) > 1:
            parts.append("M" + "L".join(f"{px} {py}" for px, py in points) + "Z")
    return "".join(parts)
