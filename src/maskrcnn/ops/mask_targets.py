"""The targets of the mask head: the mask of a RoI's object, resampled on the grid of the RoI."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops


def mask_targets(rois, matched_gt_boxes, gt_masks, gt_index, size):
    """Whether the object covers at least half of each cell of its RoI's grid.

    Masks are sampled bilinearly at the cells' centres. Outside the object's box a target is 0.

    Args:
        rois: float32 [R, 4].
        matched_gt_boxes: float32 [R, 4], the box of each RoI's object.
        gt_masks: uint8 [B * G, m, m], coverage 0 to 255 on a grid over each object's own box.
        gt_index: int32 [R], the row of `gt_masks` of each RoI's object.
        size: Cells of a RoI's side, a Python number.

    Returns:
        float32 [R, size, size], 0 or 1.
    """
    side = gt_masks.shape[-1]
    centers = (ops.arange(0, size).astype(ms.float32) + 0.5) / size
    starts, ends = ops.split(rois.expand_dims(-1), 2, 1)
    gt_starts, gt_ends = ops.split(matched_gt_boxes.expand_dims(-1), 2, 1)
    position, inside = _mask_positions(starts, ends, gt_starts, gt_ends, centers, side)
    first, second, weight = _neighbours(position, side)
    columns, rows = ops.unbind(ops.stack((first, second), 2), 1)
    index = rows.reshape(-1, 2, 1, size, 1) * side + columns.reshape(-1, 1, 2, 1, size)
    index = index + (gt_index * (side * side)).reshape(-1, 1, 1, 1, 1)
    pixels = ops.gather(gt_masks.reshape(-1), index, 0).astype(ms.float32)
    weight_x, weight_y = ops.split(weight, 1, 1)
    weight_x = weight_x.expand_dims(1)
    weight_y = weight_y.reshape(-1, size, 1)
    left, right = ops.unbind(pixels, 2)
    top, bottom = ops.unbind(left * (1 - weight_x) + right * weight_x, 1)
    covered = top * (1 - weight_y) + bottom * weight_y >= 127.5
    inside_x, inside_y = ops.split(inside, 1, 1)
    inside = ops.logical_and(inside_y.reshape(-1, size, 1), inside_x)
    return ops.logical_and(covered, inside).astype(ms.float32)


def _mask_positions(low, high, gt_low, gt_high, centers, side):
    """Where the cells' centres of a RoI's sides lie in the mask of its object, first in x and then in y.

    Args:
        low, high: float32 [R, 2, 1], the ends of the RoI's sides.
        gt_low, gt_high: float32 [R, 2, 1], the ends of the sides of the object's box.
        centers: float32 [size], as fractions of a RoI's side.
        side: Pixels of a mask's side.

    Returns:
        float32 [R, 2, size] in mask pixels (pixel i has its centre at i), and bool [R, 2, size], whether it
        is in the box.
    """
    coordinates = low + (high - low) * centers
    position = (coordinates - gt_low) / ops.maximum(gt_high - gt_low, 1e-6) * side - 0.5
    return position, ops.logical_and(position >= -0.5, position <= side - 0.5)


def _neighbours(position, side):
    """The two pixels, int32, next to each position float32 [R, 2, size], and the weight of the second."""
    position = ops.clamp(position, 0.0, side - 1.0)
    low = ops.floor(position)
    first = low.astype(ms.int32)
    return first, ops.minimum(first + 1, side - 1), position - low
