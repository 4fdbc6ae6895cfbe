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
    columns, inside_x = _mask_positions(
        rois[:, 0:1], rois[:, 2:3], matched_gt_boxes[:, 0:1], matched_gt_boxes[:, 2:3], centers, side
    )
    rows, inside_y = _mask_positions(
        rois[:, 1:2], rois[:, 3:4], matched_gt_boxes[:, 1:2], matched_gt_boxes[:, 3:4], centers, side
    )
    x0, x1, weight_x = _neighbours(columns, side)
    y0, y1, weight_y = _neighbours(rows, side)
    flat_masks = gt_masks.reshape(-1)
    start = (gt_index * (side * side)).reshape(-1, 1, 1)

    def pixels(y, x):
        index = start + y.expand_dims(2) * side + x.expand_dims(1)
        return ops.gather(flat_masks, index, 0).astype(ms.float32)

    weight_x = weight_x.expand_dims(1)
    weight_y = weight_y.expand_dims(2)
    top = pixels(y0, x0) * (1 - weight_x) + pixels(y0, x1) * weight_x
    bottom = pixels(y1, x0) * (1 - weight_x) + pixels(y1, x1) * weight_x
    covered = top * (1 - weight_y) + bottom * weight_y >= 127.5
    inside = ops.logical_and(inside_y.expand_dims(2), inside_x.expand_dims(1))
    return ops.logical_and(covered, inside).astype(ms.float32)


def _mask_positions(low, high, gt_low, gt_high, centers, side):
    """Where the cells' centres of a RoI's side lie in the mask of its object.

    Args:
        low, high: float32 [R, 1], the ends of the RoI's side.
        gt_low, gt_high: float32 [R, 1], the ends of the same side of the object's box.
        centers: float32 [size], as fractions of the RoI's side.
        side: Pixels of a mask's side.

    Returns:
        float32 [R, size] in mask pixels (pixel i has its centre at i), and bool [R, size], whether it is in
        the box.
    """
    coordinates = low + (high - low) * centers.expand_dims(0)
    position = (coordinates - gt_low) / ops.maximum(gt_high - gt_low, 1e-6) * side - 0.5
    return position, ops.logical_and(position >= -0.5, position <= side - 0.5)


def _neighbours(position, side):
    """The two pixels int32 [R, size] next to each position, and the weight of the second."""
    position = ops.clamp(position, 0.0, side - 1.0)
    low = ops.floor(position)
    first = low.astype(ms.int32)
    return first, ops.minimum(first + 1, side - 1), position - low
