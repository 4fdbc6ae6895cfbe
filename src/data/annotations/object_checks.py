"""The checks of objects, all of a file at once: boxes, masks, areas, and whether they agree. Both readers end here, in `checked_records`."""

from __future__ import annotations

import numpy as np

from .objects import BAD_BOX, INFINITE_BOX, NO_BOX, RLE
from .records import Record

_ROUNDING = 1.0  # pixels by which a box or polygon may reach out of its picture without a word


def checked_records(objects, pictures, findings):
    """(list of Records in the order of `pictures`, has_masks) of Objects; what is left out or mended goes to `findings`.

    pictures: a list of (image id, path, width, height, place in the file), width 0 for one that cannot be used: it and its objects are left
    out without a word, as the caller has said so. has_masks: whether any object that is not a crowd has a usable mask; then those without
    are left out.
    """
    width = np.array([picture[2] for picture in pictures], np.int64)
    height = np.array([picture[3] for picture in pictures], np.int64)
    usable = width[objects.picture] > 0 if len(objects.picture) else np.zeros(0, bool)
    w, h = (side[objects.picture].astype(np.float64) for side in (width, height))
    polygons = _check_polygons(objects, usable, w, h, findings)
    mask_box, mask_area, has_mask = _mask_extents(objects, polygons, usable, w, h, findings)
    boxes, alive = _check_boxes(objects, usable, w, h, mask_box, has_mask, findings)
    alive = _check_agreement(objects, boxes, alive, mask_box, has_mask, findings)
    areas = _check_areas(objects, boxes, alive, mask_area, has_mask, findings)
    has_masks = bool((alive & has_mask & ~objects.crowd).any())
    if has_masks:
        missing = alive & ~has_mask & ~objects.crowd
        _add(findings, "mask_missing", missing, objects, ".segmentation")
        alive &= ~missing
    return _records(
        objects,
        pictures,
        alive,
        boxes,
        areas,
        _segmentations(objects, polygons, has_mask) if has_masks else None,
    ), has_masks


def _add(findings, kind, mask, objects, part, detail=None):
    rows = np.flatnonzero(mask)
    if len(rows):
        findings.add_rows(
            kind, rows, lambda row: (*objects.describe(row, part), detail(row) if detail else "")
        )


def _check_polygons(objects, usable, w, h, findings):
    """The polygons that are of use."""
    polygons = objects.polygons
    if not len(polygons):
        return polygons
    polygons = polygons.take(usable[polygons.owner])

    def add(kind, mask):
        rows = np.flatnonzero(mask)
        if len(rows):
            findings.add_rows(
                kind,
                rows,
                lambda row: (
                    *objects.describe(int(polygons.owner[row]), f".segmentation[{polygons.part[row]}]"),
                    _numbers(extents[row]),
                ),
            )

    extents = polygons.extents()
    ow, oh = w[polygons.owner], h[polygons.owner]
    reach = np.maximum(ow, oh)
    # farther out than the picture is wide is a mistake in units or axes, and would take a rasteriser any amount of memory; NaN fails too
    near = (extents[:, :2].min(1) >= -reach) & (extents[:, 2:].max(1) <= 2 * reach)
    add("polygon_far", ~near)
    outside = near & (
        (extents[:, 2] <= 0) | (extents[:, 3] <= 0) | (extents[:, 0] >= ow) | (extents[:, 1] >= oh)
    )
    add("polygon_outside", outside)
    good = near & ~outside
    add("polygon_partly", good & (_beyond(extents, ow, oh) > _ROUNDING))
    polygons, extents, ow, oh = polygons.take(good), extents[good], ow[good], oh[good]
    if len(polygons):
        add("polygon_crossing", polygons.crossing())
        add("polygon_no_pixel", polygons.without_pixel(oh, ow, polygons.areas(), extents))
    return polygons


def _beyond(boxes, w, h):
    """float64 [n]: how far boxes x1, y1, x2, y2 reach out of their pictures at most, in pixels."""
    return np.maximum(np.maximum(-boxes[:, 0], -boxes[:, 1]), np.maximum(boxes[:, 2] - w, boxes[:, 3] - h))


def _mask_extents(objects, polygons, usable, w, h, findings):
    """(box float64 [n, 4] and area float64 [n] of each object's mask, has_mask bool [n])."""
    count = len(objects.label)
    box, area, has_mask = np.full((count, 4), np.nan), np.zeros(count), np.zeros(count, bool)
    if len(polygons):
        owner = polygons.owner
        first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        extents = polygons.extents()
        rows = owner[first]
        box[rows] = np.concatenate(
            [np.minimum.reduceat(extents[:, :2], first), np.maximum.reduceat(extents[:, 2:], first)], 1
        )
        area[rows] = np.add.reduceat(polygons.areas(), first)
        has_mask[rows] = True
    for row in np.flatnonzero((objects.mask_kind == RLE) & usable).tolist():
        size = objects.rles[row]["size"]
        if size != [h[row], w[row]]:
            findings.add(
                "rle_size",
                *objects.describe(row, ".segmentation.size"),
                f"{size[0]}x{size[1]} for a picture of {h[row]:.0f}x{w[row]:.0f}",
            )
        elif objects.rle_box[row] is None:
            findings.add("rle_empty", *objects.describe(row, ".segmentation.counts"))
        else:
            box[row], area[row], has_mask[row] = objects.rle_box[row], objects.rle_area[row], True
    return box, area, has_mask


def check_boxes(boxes, width, height):
    """Boxes float64 [n, 4] x1, y1, x2, y2 clipped to pictures of width and height [n], and what is wrong: (boxes, {kind: bool [n]}).

    Boxes that are not finite, empty or wholly outside cannot be used. Reaching out by up to a pixel is rounding, not a mistake, and is clipped
    without a word.
    """
    with np.errstate(invalid="ignore"):
        finite = (np.abs(boxes) < 1e9).all(1)
        empty = finite & ((boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1]))
        clipped = np.clip(boxes, 0, np.stack([width, height, width, height], 1))
        sides = clipped[:, 2:] - clipped[:, :2]
        fine = finite & ~empty
        outside = fine & (sides <= 0).any(1)
        fine &= ~outside
        # a sliver that float32, in which boxes are kept, would round to nothing
        sliver = fine & (sides <= 1e-6 * clipped[:, 2:] + 1e-6).any(1)
        partly = fine & ~sliver & (_beyond(boxes, width, height) > _ROUNDING)
    return clipped, {
        "box_infinite": ~finite,
        "box_empty": empty | sliver,
        "box_outside": outside,
        "box_partly": partly,
    }


def _check_boxes(objects, usable, w, h, mask_box, has_mask, findings):
    """(boxes float64 [n, 4] within the picture, alive bool [n])."""
    state, boxes, alive = objects.box_state, objects.boxes.copy(), usable.copy()
    from_mask = alive & (state == NO_BOX) & has_mask
    _add(findings, "box_missing", from_mask, objects, ".bbox")
    boxes[from_mask] = mask_box[from_mask]
    for kind, mask in (
        ("box_form", (state == BAD_BOX) | ((state == NO_BOX) & ~has_mask)),
        ("box_infinite", state == INFINITE_BOX),
    ):
        _add(findings, kind, alive & mask, objects, ".bbox")
        alive &= ~mask
    if objects.boxes_are_sizes:
        _read_corners(objects, boxes, alive & ~from_mask, w, h, mask_box, has_mask, findings)
    clipped, problems = check_boxes(boxes, w, h)

    def given(row):
        x1, y1, x2, y2 = boxes[row].tolist()
        return _numbers((x1, y1, x2 - x1, y2 - y1) if objects.boxes_are_sizes else (x1, y1, x2, y2))

    for kind, mask in problems.items():
        _add(findings, kind, alive & mask, objects, ".bbox", given)
        if kind != "box_partly":
            alive = alive & ~mask
    return clipped, alive


def _read_corners(objects, boxes, alive, w, h, mask_box, has_mask, findings):
    """Boxes that were meant as x1, y1, x2, y2 where COCO has x, y, width, height: mended where the mask tells, else fatal for the file."""
    with np.errstate(invalid="ignore"):
        corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        possible = alive & (corners[:, 2:] > corners[:, :2]).all(1)
        as_corners, as_sizes = np.abs(corners - mask_box).max(1), np.abs(boxes - mask_box).max(1)
        meant = possible & has_mask & (as_corners <= 2) & (as_sizes > 4) & (as_sizes > 2 * as_corners)
        out = _beyond(boxes, w, h) > _ROUNDING
        fits = possible & (_beyond(corners, w, h) <= _ROUNDING)
    _add(findings, "box_corners", meant, objects, ".bbox", lambda row: _numbers(corners[row]))
    boxes[meant] = corners[meant]
    bare = alive & ~has_mask
    if bare.sum() >= 3 and fits[bare].all() and out[bare].mean() >= 0.3:
        row = int(np.flatnonzero(bare & out)[0])
        findings.add(
            "boxes_as_corners",
            *objects.describe(row, ".bbox"),
            detail=(
                f"{_numbers(corners[row])} and {int((bare & out).sum()) - 1} others of {int(bare.sum())} leave their pictures as COCO's "
                "x, y, width, height, and all of them fit as corners x1, y1, x2, y2; write widths and heights"
            ),
        )


def _check_agreement(objects, boxes, alive, mask_box, has_mask, findings):
    """alive, without the objects whose mask does not meet their box: nothing could be learnt from them."""
    both = alive & has_mask & ~objects.crowd
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = np.minimum(boxes[:, 2:], mask_box[:, 2:]) - np.maximum(boxes[:, :2], mask_box[:, :2])
        apart = both & (sides < 0).any(1)
        common = np.maximum(sides, 0).prod(1)
        iou = common / (
            (boxes[:, 2:] - boxes[:, :2]).prod(1) + (mask_box[:, 2:] - mask_box[:, :2]).prod(1) - common
        )
        unlike = both & ~apart & (iou < 0.5)

    def detail(row):
        return f"box {_numbers(boxes[row])}, mask within {_numbers(mask_box[row])} (x1, y1, x2, y2)"

    _add(findings, "mask_apart", apart, objects, "", detail)
    _add(findings, "mask_box", unlike, objects, "", detail)
    return alive & ~apart


def _check_areas(objects, boxes, alive, mask_area, has_mask, findings):
    """float64 [n] areas in pixels: as in the file where it has a usable one, else the mask's, else the box's."""
    box_area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    true = np.where(has_mask, mask_area, box_area)
    if objects.areas is None:
        return true
    with np.errstate(invalid="ignore"):
        given = (objects.areas >= 0) & (objects.areas < 1e18)
        above, below = objects.areas - true > 0.1 * objects.areas + 32, true - objects.areas > 0.1 * true + 32
    _add(findings, "area_form", alive & ~given, objects, ".area")
    # without a mask the area may be that of any shape within the box
    _add(
        findings,
        "area_wrong",
        alive & given & (above | (below & has_mask)),
        objects,
        ".area",
        lambda row: f"{objects.areas[row]:.6g}, its {'mask' if has_mask[row] else 'box'} has {true[row]:.6g}",
    )
    return np.where(given, objects.areas, true)


def _segmentations(objects, polygons, has_mask):
    """A list of n: polygons, an RLE dict or None."""
    found = [None] * len(objects.label)
    for row, rle in objects.rles.items():
        if has_mask[row]:
            found[row] = rle
    points, starts = polygons.points, polygons.starts.tolist()
    for owner, start, end in zip(polygons.owner.tolist(), starts, starts[1:]):
        if found[owner] is None:
            found[owner] = [points[start:end]]
        else:
            found[owner].append(points[start:end])
    return found


def _records(objects, pictures, alive, boxes, areas, segmentations):
    rows = np.flatnonzero(alive)
    rows = rows[np.argsort(objects.picture[rows], kind="stable")]
    bounds = np.searchsorted(objects.picture[rows], np.arange(len(pictures) + 1)).tolist()
    with np.errstate(over="ignore"):
        boxes, areas = boxes[rows].astype(np.float32), areas[rows].astype(np.float32)
    labels, crowd, ids = objects.label[rows].astype(np.int32), objects.crowd[rows], objects.ids[rows]
    if segmentations is not None:
        segmentations = [segmentations[row] for row in rows.tolist()]
    return [
        Record(
            image_id,
            path,
            width,
            height,
            boxes[a:b],
            labels[a:b],
            crowd[a:b],
            ids[a:b],
            areas[a:b],
            None if segmentations is None else segmentations[a:b],
            place,
        )
        for (image_id, path, width, height, place), a, b in zip(pictures, bounds, bounds[1:])
        if width
    ]


def _numbers(values):
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"
