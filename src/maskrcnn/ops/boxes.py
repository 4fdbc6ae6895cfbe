"""Box arithmetic in float32.

A box is (x1, y1, x2, y2) in pixels. Pixel i covers [i, i + 1], so a box is x2 - x1 wide and nothing here adds
1.

What inference computes is written with operators that an AIR file can hold, here and in the network's other
parts: `ops.mul(0.5, x)`, not `0.5 * x`, which is the operator Muls; minimum and maximum, not `ops.clamp`;
`ops.ReduceSum`, not `x.sum()`; and no `%`. `tests/ascend/test_air.py` finds what an AIR file cannot hold.
"""

from __future__ import annotations

from mindspore import ops

from .constants import MAX_LOG_RATIO


def areas(boxes):
    """Areas [...] of boxes [..., 4], in square pixels."""
    starts, ends = ops.split(boxes, 2, -1)
    width, height = ops.unbind(ends - starts, -1)
    return width * height


def pairwise_iou(gt_boxes, boxes):
    """IoU of every ground-truth box with every box; 0 where both have no area.

    The long axis is the last one, so that maxima over the objects run along memory.

    Args:
        gt_boxes: float32 [B, G, 4].
        boxes: float32 [B, N, 4], or [1, N, 4] that all images share.

    Returns:
        float32 [B, G, N].
    """
    gt_x1, gt_y1, gt_x2, gt_y2 = ops.unbind(gt_boxes.expand_dims(2), -1)
    x1, y1, x2, y2 = ops.unbind(boxes.expand_dims(1), -1)
    overlap_width = ops.relu(ops.minimum(gt_x2, x2) - ops.maximum(gt_x1, x1))
    overlap_height = ops.relu(ops.minimum(gt_y2, y2) - ops.maximum(gt_y1, y1))
    overlap = overlap_width * overlap_height
    union = (gt_x2 - gt_x1) * (gt_y2 - gt_y1) + (x2 - x1) * (y2 - y1) - overlap
    return overlap / ops.maximum(union, 1e-9)


def encode(boxes, targets, means, stds):
    """The deltas (dx, dy, dw, dh) that move boxes to targets (Girshick et al. 2014, appendix C).

    Boxes and targets without area (padding) give finite values, so that a weight of zero removes them.

    Args:
        boxes: float32 [..., 4], anchors or RoIs.
        targets: float32 [..., 4].
        means: float32 [4], subtracted from the deltas.
        stds: float32 [4], by which the deltas are then divided.

    Returns:
        float32 [..., 4].
    """
    sides, centers = _sides_and_centers(boxes)
    target_sides, target_centers = _sides_and_centers(targets)
    sides = ops.maximum(sides, 1e-6)
    deltas = ops.concat(
        ((target_centers - centers) / sides, ops.log(ops.maximum(target_sides, 1e-6) / sides)), -1
    )
    return (deltas - means) / stds


def decode(boxes, deltas, means, stds):
    """boxes [..., 4] moved by deltas [..., 4]: the inverse of `encode`, up to MAX_LOG_RATIO."""
    deltas = deltas * stds + means
    sides, centers = _sides_and_centers(boxes)
    moves, log_ratios = ops.split(deltas, 2, -1)
    centers = centers + moves * sides
    ratios = ops.exp(ops.minimum(ops.maximum(log_ratios, -MAX_LOG_RATIO), MAX_LOG_RATIO))
    half_sides = ops.mul(0.5, sides) * ratios
    return ops.concat((centers - half_sides, centers + half_sides), -1)


def clip(boxes, image_meta):
    """boxes [B, N, 4] clipped to the real picture in its canvas.

    image_meta float32 [B, 6] begins with the picture's height and width in canvas pixels.
    """
    height = image_meta[:, 0:1]
    width = image_meta[:, 1:2]
    limits = ops.concat((width, height, width, height), 1)
    return ops.minimum(ops.relu(boxes), limits.expand_dims(1))


def is_large_enough(boxes, min_size):
    """bool [...]: whether boxes [..., 4] are at least `min_size` pixels wide and high, and have an area."""
    starts, ends = ops.split(boxes, 2, -1)
    sides = ends - starts
    large_enough = sides >= min_size if min_size > 0 else sides > 0
    return large_enough.all(-1)


def _sides_and_centers(boxes):
    """(width, height) and (x, y) of the centres, float32 [..., 2] each."""
    starts, ends = ops.split(boxes, 2, -1)
    sides = ends - starts
    return sides, starts + ops.mul(0.5, sides)
