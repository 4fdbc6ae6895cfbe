"""The checks of all boxes of an annotation file at once: which are usable, and clipping to the picture."""

from __future__ import annotations

from typing import Dict, Tuple

import numpy as np

from ..findings import Findings, short_numbers
from .object_columns import (
    BAD_BOX,
    BOX,
    INFINITE_BOX,
    NO_BOX,
    NO_MASK,
    MaskExtents,
    ObjectColumns,
    ObjectPictures,
)

_BEYOND_ONE = 0.01  # normalised boxes may reach out of their picture as others do
ROUNDING = 1.0  # a box or polygon may reach this many pixels out of its picture without a finding


def beyond_picture(boxes: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """float64 [n]: how many pixels boxes x1, y1, x2, y2 reach out of their pictures, on the worst side."""
    low = np.maximum(-boxes[:, 0], -boxes[:, 1])
    high = np.maximum(boxes[:, 2] - width, boxes[:, 3] - height)
    return np.maximum(low, high)


def clip_boxes(
    boxes: np.ndarray, width: np.ndarray, height: np.ndarray
) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
    """Clip boxes to their pictures.

    Boxes that are not finite, empty or outside the picture cannot be used.
    Reaching out by up to ROUNDING is no finding.

    Args:
        boxes: float64 [n, 4], x1, y1, x2, y2 in pixels.
        width: [n], pixels of each box's picture.
        height: [n].

    Returns:
        The clipped boxes float64 [n, 4], and {kind of finding: bool [n]}.
    """
    with np.errstate(invalid="ignore"):
        finite = (np.abs(boxes) < 1e9).all(1)
        empty = finite & ((boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1]))
        clipped = np.clip(boxes, 0, np.stack([width, height, width, height], 1))
        sides = clipped[:, 2:] - clipped[:, :2]
        valid = finite & ~empty
        outside = valid & (sides <= 0).any(1)
        valid &= ~outside
        # so thin that it would be empty in float32, in which boxes are kept
        thin = valid & (sides <= 1e-6 * clipped[:, 2:] + 1e-6).any(1)
        partly = valid & ~thin & (beyond_picture(boxes, width, height) > ROUNDING)
    return clipped, {
        "box_infinite": ~finite,
        "box_empty": empty | thin,
        "box_outside": outside,
        "box_partly": partly,
    }


def check_normalised(objects: ObjectColumns, pictures: ObjectPictures, findings: Findings) -> bool:
    """Find a file whose coordinates are shares of the picture's width and height instead of pixels.

    It has all boxes, or all points of polygons, within 0 and 1 (give or take rounding), and not all are whole
    numbers, in pictures that are larger than that.

    Returns:
        Whether it is so. Then a fatal finding was added.
    """
    rows = np.flatnonzero(pictures.valid & (objects.box_state == BOX))
    boxes = objects.boxes[rows]
    if objects.boxes_are_sizes:
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    polygons = objects.polygons
    part = ".bbox"
    if _is_normalised(boxes, rows, pictures):
        example = short_numbers(boxes[0])
        row = int(rows[0])
    elif _is_normalised(polygons.points, polygons.owner, pictures):
        example = short_numbers(polygons.points[: min(6, polygons.starts[1])])
        row = int(polygons.owner[0])
        part = f".segmentation[{polygons.part[0]}]"
    else:
        return False
    detail = (
        f"the coordinates look normalised: all are from 0 to 1, as {example} in a picture of "
        f"{pictures.width[row]:.0f}x{pictures.height[row]:.0f} (width x height); multiply x and width by the "
        "picture's width, y and height by its height"
    )
    findings.add("coordinates_normalised", *objects.describe(row, part), detail)
    return True


def _is_normalised(coordinates, rows, pictures):
    """Whether coordinates (an array of numbers) of the objects `rows` (int [k]) look normalised."""
    if not len(rows) or not (coordinates.min() >= -_BEYOND_ONE and coordinates.max() <= 1 + _BEYOND_ONE):
        return False
    is_larger = min(pictures.width[rows].min(), pictures.height[rows].min()) > 1
    return bool(is_larger and (coordinates != np.rint(coordinates)).any())


def check_boxes(
    objects: ObjectColumns, pictures: ObjectPictures, masks: MaskExtents, findings: Findings
) -> Tuple[np.ndarray, np.ndarray]:
    """Check and clip the objects' boxes; an object without a box gets the one around its mask.

    Args:
        objects: n objects.
        pictures: the picture of each.
        masks: what the mask of each covers.
        findings: what is left out or changed is added here.

    Returns:
        (boxes float64 [n, 4] within the picture, valid bool [n]).
    """
    state = objects.box_state
    boxes = objects.boxes.copy()
    valid = pictures.valid.copy()
    from_mask = valid & (state == NO_BOX) & masks.has_mask
    if objects.has_own_boxes:
        objects.add_findings(findings, "box_missing", from_mask, ".bbox")
    else:
        # what is wrong with a mask was said; that there is no box either only follows
        valid &= (state != NO_BOX) | masks.has_mask | (objects.mask_kind == NO_MASK)
    boxes[from_mask] = masks.boxes[from_mask]
    for kind, mask in (
        ("box_form", (state == BAD_BOX) | ((state == NO_BOX) & ~masks.has_mask)),
        ("box_infinite", state == INFINITE_BOX),
    ):
        objects.add_findings(findings, kind, valid & mask, ".bbox")
        valid &= ~mask
    if objects.boxes_are_sizes:
        _correct_corners(objects, boxes, valid & ~from_mask, pictures, masks, findings)
    clipped, problems = clip_boxes(boxes, pictures.width, pictures.height)

    def as_written(row):
        x1, y1, x2, y2 = boxes[row].tolist()
        return short_numbers((x1, y1, x2 - x1, y2 - y1) if objects.boxes_are_sizes else (x1, y1, x2, y2))

    for kind, mask in problems.items():
        objects.add_findings(findings, kind, valid & mask, ".bbox", as_written)
        if kind != "box_partly":
            valid = valid & ~mask
    return clipped, valid


def _correct_corners(objects, boxes, valid, pictures, masks, findings):
    """Find boxes meant as x1, y1, x2, y2 where COCO has x, y, width, height.

    Where the mask shows it, the box is corrected in `boxes`.
    Where many boxes without a mask look like it, that is a fatal finding.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        possible = valid & (corners[:, 2:] > corners[:, :2]).all(1)
        corner_error = np.abs(corners - masks.boxes).max(1)
        size_error = np.abs(boxes - masks.boxes).max(1)
        is_corners = (corner_error <= 2) & (size_error > 4) & (size_error > 2 * corner_error)
        is_corners &= possible & masks.has_mask
        outside = beyond_picture(boxes, pictures.width, pictures.height) > ROUNDING
        fits = possible & (beyond_picture(corners, pictures.width, pictures.height) <= ROUNDING)
    objects.add_findings(
        findings, "box_corners", is_corners, ".bbox", lambda row: short_numbers(corners[row])
    )
    boxes[is_corners] = corners[is_corners]
    without_mask = valid & ~masks.has_mask
    if without_mask.sum() < 3 or not fits[without_mask].all() or outside[without_mask].mean() < 0.3:
        return
    rows = np.flatnonzero(without_mask & outside)
    row = int(rows[0])
    findings.add(
        "boxes_as_corners",
        *objects.describe(row, ".bbox"),
        detail=(
            f"{short_numbers(corners[row])} and {len(rows) - 1} others of {int(without_mask.sum())} "
            "leave their pictures as COCO's x, y, width, height, "
            "and all of them fit as corners x1, y1, x2, y2; write widths and heights"
        ),
    )
