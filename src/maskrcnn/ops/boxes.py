"""Box arithmetic, half-pixel-correct: a box x1,y1,x2,y2 is x2-x1 wide; nothing here adds 1. Everything is float32."""

from __future__ import annotations

from mindspore import ops

from .constants import MAX_LOG_RATIO


def areas(boxes):
    """Areas [...] of boxes [..., 4] in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(truth, boxes):
    """IoU [B, G, N] of truth [B, G, 4] with boxes [B, N, 4] (or [1, N, 4]); 0 where both areas are 0.

    The long axis is the last one, so that maxima over the objects run along memory.
    """
    x1, y1, x2, y2 = (truth[..., i : i + 1] for i in range(4))
    u1, v1, u2, v2 = (boxes[..., i].expand_dims(1) for i in range(4))
    overlap = ops.relu(ops.minimum(x2, u2) - ops.maximum(x1, u1)) * ops.relu(
        ops.minimum(y2, v2) - ops.maximum(y1, v1)
    )
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap
    return overlap / ops.maximum(union, 1e-9)


def encode(boxes, targets, means, stds):
    """Deltas [..., 4] that take boxes [..., 4] to targets [..., 4]: (dx, dy, dw, dh) of R-CNN (Girshick 2014, app. C).

    Boxes and targets without area (padding) give finite values, so that a weight of zero removes them.
    """
    width, height, center_x, center_y = _centers(boxes)
    target_width, target_height, target_x, target_y = _centers(targets)
    width, height = ops.maximum(width, 1e-6), ops.maximum(height, 1e-6)
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
    """Boxes [..., 4] moved by deltas [..., 4]; the inverse of `encode` up to MAX_LOG_RATIO."""
    deltas = deltas * stds + means
    width, height, center_x, center_y = _centers(boxes)
    center_x, center_y = center_x + deltas[..., 0] * width, center_y + deltas[..., 1] * height
    half_width = 0.5 * width * ops.exp(ops.clamp(deltas[..., 2], -MAX_LOG_RATIO, MAX_LOG_RATIO))
    half_height = 0.5 * height * ops.exp(ops.clamp(deltas[..., 3], -MAX_LOG_RATIO, MAX_LOG_RATIO))
    return ops.stack(
        (center_x - half_width, center_y - half_height, center_x + half_width, center_y + half_height), -1
    )


def clip(boxes, image_meta):
    """Boxes [B, N, 4] clipped to [0, width] x [0, height] of the real picture in its canvas; image_meta [B, 6]."""
    height, width = image_meta[:, 0:1], image_meta[:, 1:2]
    return ops.stack(
        (
            ops.minimum(ops.relu(boxes[..., 0]), width),
            ops.minimum(ops.relu(boxes[..., 1]), height),
            ops.minimum(ops.relu(boxes[..., 2]), width),
            ops.minimum(ops.relu(boxes[..., 3]), height),
        ),
        -1,
    )


def at_least(boxes, size):
    """bool [...]: whether boxes [..., 4] are at least `size` pixels wide and high, and have an area at all."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return ops.logical_and(
        ops.logical_and(width >= size, height >= size), ops.logical_and(width > 0, height > 0)
    )


def _centers(boxes):
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return width, height, boxes[..., 0] + 0.5 * width, boxes[..., 1] + 0.5 * height
