"""The checks of all objects of an annotation file at once. Both readers end here, in `checked_records`."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

from ..findings import Findings, short_numbers
from .box_checks import check_boxes, check_normalised
from .mask_checks import check_polygons, check_usable_masks, join_segmentations, mask_extents
from .object_columns import ObjectColumns, ObjectPictures
from .picture_folder import PictureEntry
from .records import Record


def checked_records(
    objects: ObjectColumns, pictures: Sequence[PictureEntry], findings: Findings
) -> Tuple[List[Record], bool]:
    """Check the objects of a file and sort them into Records.

    Args:
        objects: all objects of the file.
        pictures: all pictures of the file. One of width 0 and its objects are left out without a finding:
            the caller has added one.
        findings: what is left out, corrected or unusual is added here.

    Returns:
        The Records in the order of `pictures`, and has_masks: whether any object that is not a crowd has
        a usable mask. If so, objects without a mask are left out.
    """
    object_pictures = _object_pictures(objects, pictures)
    if check_normalised(objects, object_pictures, findings):
        # every other check would only find what follows from it
        none = np.zeros(len(objects.labels), bool)
        return _records(objects, pictures, none, objects.boxes, none, None), False
    polygons = check_polygons(objects, object_pictures, findings)
    masks = mask_extents(objects, polygons, object_pictures, findings)
    check_usable_masks(objects, object_pictures, masks, findings)
    boxes, valid = check_boxes(objects, object_pictures, masks, findings)
    valid = _check_agreement(objects, boxes, valid, masks, findings)
    areas = _check_areas(objects, boxes, valid, masks, findings)
    _find_repeated(objects, boxes, valid, polygons, findings)
    has_masks = bool((valid & masks.has_mask & ~objects.crowd).any())
    segmentations = None
    if has_masks:
        missing = valid & ~masks.has_mask & ~objects.crowd
        objects.add_findings(findings, "mask_missing", missing, ".segmentation")
        valid &= ~missing
        segmentations = join_segmentations(objects, polygons, masks.has_mask)
    return _records(objects, pictures, valid, boxes, areas, segmentations), has_masks


def _object_pictures(objects, pictures):
    """The ObjectPictures of the objects, given all PictureEntries."""
    width = np.array([picture.width for picture in pictures], np.float64)[objects.picture_index]
    height = np.array([picture.height for picture in pictures], np.float64)[objects.picture_index]
    return ObjectPictures(width > 0, width, height)


def _check_agreement(objects, boxes, valid, masks, findings):
    """`valid` bool [n] without the objects whose mask lies outside their box: useless for training."""
    comparable = valid & masks.has_mask & ~objects.crowd
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.maximum(boxes[:, :2], masks.boxes[:, :2])
        high = np.minimum(boxes[:, 2:], masks.boxes[:, 2:])
        apart = comparable & (high - low < 0).any(1)
        intersection = np.maximum(high - low, 0).prod(1)
        union = _box_areas(boxes) + _box_areas(masks.boxes) - intersection
        unlike = comparable & ~apart & (intersection / union < 0.5)

    def detail(row):
        box = short_numbers(boxes[row])
        return f"box {box}, mask within {short_numbers(masks.boxes[row])} (x1, y1, x2, y2)"

    objects.add_findings(findings, "mask_apart", apart, "", detail)
    objects.add_findings(findings, "mask_box", unlike, "", detail)
    return valid & ~apart


def _box_areas(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _check_areas(objects, boxes, valid, masks, findings):
    """Areas float64 [n] in pixels: the file's where it is usable, else the mask's, else the box's."""
    computed = np.where(masks.has_mask, masks.areas, _box_areas(boxes))
    written = objects.areas
    if written is None:
        return computed
    with np.errstate(invalid="ignore"):
        usable = (written >= 0) & (written < 1e18)
        too_large = written - computed > 0.1 * written + 32
        too_small = computed - written > 0.1 * computed + 32
    objects.add_findings(findings, "area_form", valid & ~usable, ".area")
    # without a mask the area may be that of any shape within the box
    wrong = valid & usable & (too_large | (too_small & masks.has_mask))

    def detail(row):
        shape = "mask" if masks.has_mask[row] else "box"
        return f"{written[row]:.6g}, its {shape} has {computed[row]:.6g}"

    objects.add_findings(findings, "area_wrong", wrong, ".area", detail)
    return np.where(usable, written, computed)


def _find_repeated(objects, boxes, valid, polygons, findings):
    """Find valid objects that have the picture, class, box and mask of an earlier one."""
    rows = np.flatnonzero(valid)
    boxes = boxes + 0.0  # -0.0 becomes 0.0, which has other bytes
    hashes = _position_hashes(objects, boxes, rows)
    ordered = np.sort(hashes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return
    # few are left in most files: these are compared one by one
    rows = rows[np.isin(hashes, repeated)]
    first_polygon = np.searchsorted(polygons.owner, rows).tolist()
    last_polygon = np.searchsorted(polygons.owner, rows, side="right").tolist()
    earlier = {}  # {all that is compared: the first row}
    first_row = {}  # {row of a repeated object: the first one's}
    for row, first, last in zip(rows.tolist(), first_polygon, last_polygon):
        mask = objects.rles.get(row)
        starts = polygons.starts[first : last + 1]
        key = (
            int(objects.picture_index[row]),
            int(objects.labels[row]),
            bool(objects.crowd[row]),
            boxes[row].tobytes(),
            mask and (*mask.rle["size"], mask.rle["counts"]),
            (starts - starts[0]).tobytes(),
            polygons.points[starts[0] : starts[-1]].tobytes(),
        )
        if earlier.setdefault(key, row) != row:
            first_row[row] = earlier[key]
    share = (
        f"{len(first_row)} of {int(valid.sum())} objects ({len(first_row) / valid.sum():.0%}) are repeated"
    )

    def describe(row):
        first = objects.describe(first_row[row], "")[0]
        return *objects.describe(row, ""), f"the same as {first}; {share}"

    findings.add_rows("object_twice", list(first_row), describe)


def _position_hashes(objects, boxes, rows):
    """uint64 [k]: equal for rows (int [k]) of the same picture, class and box, and seldom for others."""
    hashes = objects.picture_index[rows].astype(np.uint64)
    columns = [objects.labels[rows].astype(np.uint64), *boxes[rows].T.copy().view(np.uint64)]
    for column in columns:
        # the multiplier of Knuth's multiplicative hashing for 64 bits; the shift brings high bits down
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _records(objects, pictures, valid, boxes, areas, segmentations):
    """The Records of the usable pictures with their valid objects."""
    rows = np.flatnonzero(valid)
    rows = rows[np.argsort(objects.picture_index[rows], kind="stable")]
    bounds = np.searchsorted(objects.picture_index[rows], np.arange(len(pictures) + 1)).tolist()
    boxes = boxes[rows]
    areas = areas[rows]
    labels = objects.labels[rows].astype(np.int32)
    crowd = objects.crowd[rows]
    annotation_ids = objects.annotation_ids[rows]
    if segmentations is not None:
        segmentations = [segmentations[row] for row in rows.tolist()]
    return [
        Record(
            image_id=picture.image_id,
            path=picture.path,
            width=picture.width,
            height=picture.height,
            boxes=boxes[start:end],
            labels=labels[start:end],
            crowd=crowd[start:end],
            annotation_ids=annotation_ids[start:end],
            areas=areas[start:end],
            segmentations=None if segmentations is None else segmentations[start:end],
            location=picture.location,
        )
        for picture, start, end in zip(pictures, bounds, bounds[1:])
        if picture.width
    ]
