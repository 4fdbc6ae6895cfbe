"""What the mask head should answer for a RoI: its object's mask, seen through the RoI's own grid."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops


def mask_targets(rois, truth, masks, picture, size):
    """float32 0/1 [R, size, size]: whether the object covers at least half of each cell of the RoI's grid.

    rois [R, 4], truth [R, 4] (the matched objects' boxes), masks uint8 [P, m, m] (coverage 0..255 in the objects' own boxes),
    picture int32 [R] (the row of `masks` that belongs to the RoI). Bilinear sampling at the cells' centres, nothing outside the box.
    """
    side = masks.shape[-1]
    centers = (ops.arange(0, size).astype(ms.float32) + 0.5) / size
    columns, inside_x = _positions(rois[:, 0:1], rois[:, 2:3], truth[:, 0:1], truth[:, 2:3], centers, side)
    rows, inside_y = _positions(rois[:, 1:2], rois[:, 3:4], truth[:, 1:2], truth[:, 3:4], centers, side)
    x0, x1, along_x = _neighbours(columns, side)
    y0, y1, along_y = _neighbours(rows, side)
    flat = masks.reshape(-1)
    start = (picture * (side * side)).reshape(-1, 1, 1)

    def at(y, x):
        return ops.gather(flat, start + y.expand_dims(2) * side + x.expand_dims(1), 0).astype(ms.float32)

    along_x, along_y = along_x.expand_dims(1), along_y.expand_dims(2)
    top = at(y0, x0) * (1 - along_x) + at(y0, x1) * along_x
    bottom = at(y1, x0) * (1 - along_x) + at(y1, x1) * along_x
    covered = top * (1 - along_y) + bottom * along_y >= 127.5
    inside = ops.logical_and(inside_y.expand_dims(2), inside_x.expand_dims(1))
    return ops.logical_and(covered, inside).astype(ms.float32)


def _positions(low, high, box_low, box_high, centers, side):
    """Cell centres [R, size] of a RoI's side in mask pixels of its object's box (pixel i has its centre at i), and whether they lie in the box."""
    where = low + (high - low) * centers.expand_dims(0)
    position = (where - box_low) / ops.maximum(box_high - box_low, 1e-6) * side - 0.5
    return position, ops.logical_and(position >= -0.5, position <= side - 0.5)


def _neighbours(position, side):
    position = ops.clamp(position, 0.0, side - 1.0)
    low = ops.floor(position)
    first = low.astype(ms.int32)
    return first, ops.minimum(first + 1, side - 1), position - low
