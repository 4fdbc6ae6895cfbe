"""Box arithmetic in float32.

A box is (x1, y1, x2, y2) in pixels. Pixel i covers [i, i + 1], so a box is x2 - x1 wide and nothing here adds
1.

What inference computes is written with operators that an AIR file can hold, here and in the network's other
parts: `ops.mul(0.5, x)`, not `0.5 * x`, which is the operator Muls; minimum and maximum, not `ops.clamp`; and
no `%`. `tests/ascend/test_air.py` finds what an AIR file cannot hold.
"""

from __future__ import annotations

from mindspore import ops

from .constants import MAX_LOG_RATIO


def areas(boxes):
    """Areas [...] of boxes [..., 4], in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(gt_boxes, boxes):
    """IoU of every ground-truth box with every box; 0 where both have no area.

    The long axis is the last one, so that maxima over the objects run along memory.

    Args:
        gt_boxes: float32 [B, G, 4].
        boxes: float32 [B, N, 4], or [1, N, 4] that all images share.

    Returns:
        float32 [B, G, N].
    """
    gt_x1, gt_y1, gt_x2, gt_y2 = (gt_boxes[..., i : i + 1] for i in range(4))
    x1, y1, x2, y2 = (boxes[..., i].expand_dims(1) for i in range(4))
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
    width, height, center_x, center_y = _sides_and_centers(boxes)
    target_width, target_height, target_x, target_y = _sides_and_centers(targets)
    width = ops.maximum(width, 1e-6)
    height = ops.maximum(height, 1e-6)
    deltas = ops.stack(
        (
            (target_x - center_x) / width,
            (target_y - center_y) / height,
            ops.log(ops.maximum(target_width, 1e-6) / width),
            ops.log(ops.maximum(target_height, 1e-6) / height),
        ),
        -1,
    )
    return (deltas - means) / stds


def decode(boxes, deltas, means, stds):
    """boxes [..., 4] moved by deltas [..., 4]: the inverse of `encode`, up to MAX_LOG_RATIO."""
    deltas = deltas * stds + means
    width, height, center_x, center_y = _sides_and_centers(boxes)
    center_x = center_x + deltas[..., 0] * width
    center_y = center_y + deltas[..., 1] * height
    ratios = ops.exp(ops.minimum(ops.maximum(deltas[..., 2:], -MAX_LOG_RATIO), MAX_LOG_RATIO))
    half_width = ops.mul(0.5, width) * ratios[..., 0]
    half_height = ops.mul(0.5, height) * ratios[..., 1]
    return ops.stack(
        (center_x - half_width, center_y - half_height, center_x + half_width, center_y + half_height), -1
    )


def clip(boxes, image_meta):
    """boxes [B, N, 4] clipped to the real picture in its canvas.

    image_meta float32 [B, 6] begins with the picture's height and width in canvas pixels.
    """
    height = image_meta[:, 0:1]
    width = image_meta[:, 1:2]
    return ops.stack(
        (
            ops.minimum(ops.relu(boxes[..., 0]), width),
            ops.minimum(ops.relu(boxes[..., 1]), height),
            ops.minimum(ops.relu(boxes[..., 2]), width),
            ops.minimum(ops.relu(boxes[..., 3]), height),
        ),
        -1,
    )


def is_large_enough(boxes, min_size):
    """bool [...]: whether boxes [..., 4] are at least `min_size` pixels wide and high, and have an area."""
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    return ops.logical_and(
        ops.logical_and(width >= min_size, height >= min_size), ops.logical_and(width > 0, height > 0)
    )


def _sides_and_centers(boxes):
    width = boxes[..., 2] - boxes[..., 0]
    height = boxes[..., 3] - boxes[..., 1]
    return width, height, boxes[..., 0] + ops.mul(0.5, width), boxes[..., 1] + ops.mul(0.5, height)
