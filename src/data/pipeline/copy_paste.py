"""Copy-paste: objects of one picture cut out by their masks and pasted over another.

Ghiasi et al. 2021, Simple Copy-Paste.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..images.box_masks import box_mask_of_mask
from ..images.rasterize import mask_on_canvas, pixels_box


def paste_objects(first, second, chosen, canvas, other, size):
    """Paste the `chosen` objects of `second` (indices) over `first`.

    Returns boxes float32 [n, 4], labels int32 [n], masks uint8 [n, m, m].

    first, second: PlacedObjects on the canvases `canvas` and `other` uint8 [H, W, 3], of which the first is
    painted over; size: m. What is pasted ends where the first picture does. Boxes of what it partly covers
    shrink to what is still seen; what it covers wholly, and what has no pixel, is left out. The first
    picture's objects come first.
    """
    width, height = int(first.meta[1]), int(first.meta[0])
    union = np.zeros((height, width), np.uint8)
    pasted = []
    for i in chosen:
        left, top, right, bottom = region = _pixels(second.boxes[i], height, width)
        if right <= left or bottom <= top:
            continue
        mask = mask_on_canvas(second.segmentations[i], second.axes, region)
        if not mask.any():
            continue
        union[top:bottom, left:right] |= mask
        x1, y1, x2, y2 = second.boxes[i]
        whole = x2 <= width and y2 <= height
        pasted.append(
            (
                second.labels[i],
                *(
                    (second.boxes[i], second.masks[i])
                    if whole
                    else _seen(mask, region, second.boxes[i], size)
                ),
            )
        )
    kept = list(zip(first.labels, first.boxes, first.masks))
    around = pixels_box(union)
    if around is not None:
        kept = [
            item
            for item in (_uncovered(first, i, union, around, size) for i in range(len(first.labels)))
            if item is not None
        ]
        left, top, right, bottom = (int(side) for side in around)
        cv2.copyTo(
            other[top:bottom, left:right], union[top:bottom, left:right], canvas[top:bottom, left:right]
        )
    labels, boxes, masks = zip(*kept, *pasted) if kept or pasted else ((), (), ())
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int32),
        np.array(masks, np.uint8).reshape(-1, size, size),
    )


def _uncovered(first, i, union, around, size):
    """(label, box, mask) of an object under what is pasted; None where nothing of it is seen."""
    x1, y1, x2, y2 = first.boxes[i]
    same = first.labels[i], first.boxes[i], first.masks[i]
    if x2 <= around[0] or x1 >= around[2] or y2 <= around[1] or y1 >= around[3]:
        return same
    left, top, right, bottom = region = _pixels(first.boxes[i], *union.shape)
    mask, over = mask_on_canvas(first.segmentations[i], first.axes, region), union[top:bottom, left:right]
    if not (mask & over).any():
        return same
    seen = mask & (over ^ 1)
    return (first.labels[i], *_seen(seen, region, first.boxes[i], size)) if seen.any() else None


def _pixels(box, height, width):
    """left, top, right, bottom of the whole canvas pixels that a box touches."""
    x1, y1, x2, y2 = (float(side) for side in box)
    return int(np.floor(x1)), int(np.floor(y1)), min(int(np.ceil(x2)), width), min(int(np.ceil(y2)), height)


def _seen(mask, region, box, size):
    """(box, mask in its frame) of what a mask of the region shows; the box is no larger than `box`."""
    corner = np.tile(np.array(region[:2], np.float64), 2)
    x1, y1, x2, y2 = np.array(pixels_box(mask)) + corner
    found = np.array([max(x1, box[0]), max(y1, box[1]), min(x2, box[2]), min(y2, box[3])], np.float32)
    return found, box_mask_of_mask(mask, found - corner, size)
