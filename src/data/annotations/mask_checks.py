"""The checks of all masks of an annotation file at once: polygons and RLE."""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np

from ..findings import Findings, short, short_numbers
from ..images.polygons import Polygons
from .box_checks import ROUNDING, beyond_picture
from .object_columns import NO_MASK, RLE, MaskExtents, ObjectColumns, ObjectPictures

_USABLE_SHARE = 0.1  # of the segmentations that a file has; below it, the file is in another form


def check_polygons(objects: ObjectColumns, pictures: ObjectPictures, findings: Findings) -> Polygons:
    """The usable polygons of the objects.

    Args:
        objects: n objects.
        pictures: the picture of each.
        findings: what is left out or unusual is added here.
    """
    polygons = objects.polygons
    if not len(polygons):
        return polygons
    polygons = polygons.select(pictures.valid[polygons.owner])
    extents = polygons.extents()
    width = pictures.width[polygons.owner]
    height = pictures.height[polygons.owner]
    reach = np.maximum(width, height)
    # A point farther out than the picture is wide is a mistake in units or axes, and drawing it could take
    # any amount of memory. NaN fails here too.
    near = (extents[:, :2].min(1) >= -reach) & (extents[:, 2:].max(1) <= 2 * reach)
    _add_findings("polygon_far", ~near, polygons, extents, objects, findings)
    left_or_above = (extents[:, 2] <= 0) | (extents[:, 3] <= 0)
    right_or_below = (extents[:, 0] >= width) | (extents[:, 1] >= height)
    outside = near & (left_or_above | right_or_below)
    _add_findings("polygon_outside", outside, polygons, extents, objects, findings)
    valid = near & ~outside
    partly = valid & (beyond_picture(extents, width, height) > ROUNDING)
    _add_findings("polygon_partly", partly, polygons, extents, objects, findings)
    polygons = polygons.select(valid)
    extents = extents[valid]
    if len(polygons):
        crossing = polygons.crossing()
        _add_findings("polygon_crossing", crossing, polygons, extents, objects, findings)
        no_pixel = polygons.without_pixel(height[valid], width[valid], polygons.areas(), extents)
        _add_findings("polygon_no_pixel", no_pixel, polygons, extents, objects, findings)
    return polygons


def _add_findings(kind, mask, polygons, extents, objects, findings):
    """Add a finding for each polygon where mask (bool [p]) is true; extents: float64 [p, 4]."""

    def describe(row):
        part = f".segmentation[{polygons.part[row]}]"
        return *objects.describe(int(polygons.owner[row]), part), short_numbers(extents[row])

    rows = np.flatnonzero(mask)
    if len(rows):
        findings.add_rows(kind, rows, describe)


def mask_extents(
    objects: ObjectColumns, polygons: Polygons, pictures: ObjectPictures, findings: Findings
) -> MaskExtents:
    """What the masks of the objects cover.

    Args:
        objects: n objects.
        polygons: their usable polygons.
        pictures: the picture of each.
        findings: RLEs that are left out are added here.
    """
    count = len(objects.labels)
    boxes = np.full((count, 4), np.nan)
    areas = np.zeros(count)
    has_mask = np.zeros(count, bool)
    if len(polygons):
        owner = polygons.owner
        first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))  # first of each object
        extents = polygons.extents()
        rows = owner[first]
        low = np.minimum.reduceat(extents[:, :2], first)
        high = np.maximum.reduceat(extents[:, 2:], first)
        boxes[rows] = np.concatenate([low, high], 1)
        areas[rows] = np.add.reduceat(polygons.areas(), first)
        has_mask[rows] = True
    for row in np.flatnonzero((objects.mask_kind == RLE) & pictures.valid).tolist():
        mask = objects.rles[row]
        size = mask.rle["size"]
        height = pictures.height[row]
        width = pictures.width[row]
        if size != [height, width]:
            detail = f"{size[0]}x{size[1]} for a picture of {height:.0f}x{width:.0f}"
            findings.add("rle_size", *objects.describe(row, ".segmentation.size"), detail)
        elif mask.box is None:
            findings.add("rle_empty", *objects.describe(row, ".segmentation.counts"))
        else:
            boxes[row] = mask.box
            areas[row] = mask.area
            has_mask[row] = True
    return MaskExtents(boxes, areas, has_mask)


def check_usable_masks(
    objects: ObjectColumns, pictures: ObjectPictures, masks: MaskExtents, findings: Findings
) -> None:
    """Find a file whose objects have segmentations of which nearly none can be used.

    It must not be taken for a file of boxes alone. Crowds, whose masks are no targets, are not counted.
    """
    written = pictures.valid & ~objects.crowd & (objects.mask_kind != NO_MASK)
    unusable = np.flatnonzero(written & ~masks.has_mask)
    count = int(written.sum())
    if count - len(unusable) >= _USABLE_SHARE * count:
        return
    row = int(unusable[0])
    detail = (
        f"{len(unusable)} of {count} segmentations cannot be used, the first looks like "
        f"{_segmentation_look(objects, row)}; write polygons [[x1, y1, x2, y2, ...], ...] or RLE in pixels, "
        "or leave all segmentations out to train on boxes alone"
    )
    findings.add("masks_unusable", *objects.describe(row, ".segmentation"), detail)


def _segmentation_look(objects, row):
    """The segmentation of an object, shortened."""
    if row in objects.bad_masks:
        return objects.bad_masks[row]
    if row in objects.rles:
        return short(objects.rles[row].rle)
    polygons = objects.polygons
    parts = np.flatnonzero(polygons.owner == row)
    points = [polygons.points[polygons.starts[part] : polygons.starts[part + 1]].tolist() for part in parts]
    return short(points) if points else "a polygon that is too short or of odd length"


def join_segmentations(
    objects: ObjectColumns, polygons: Polygons, has_mask: np.ndarray
) -> List[Optional[Any]]:
    """For each object its list of polygons (float64 arrays), its RLE dict, or None; has_mask: bool [n]."""
    segmentations = [None] * len(objects.labels)
    for row, mask in objects.rles.items():
        if has_mask[row]:
            segmentations[row] = mask.rle
    points = polygons.points
    starts = polygons.starts.tolist()
    for owner, start, end in zip(polygons.owner.tolist(), starts, starts[1:]):
        if segmentations[owner] is None:
            segmentations[owner] = [points[start:end]]
        else:
            segmentations[owner].append(points[start:end])
    return segmentations
