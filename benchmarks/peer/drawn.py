"""The inputs of the speed comparison, from NumPy alone, so that both sides can draw the same."""

from __future__ import annotations

import numpy as np


def draw_batch(seed: int, batch: int, height: int, width: int, num_gts: int) -> tuple[np.ndarray, ...]:
    """A batch of noise with filled boxes as objects.

    Returns:
        images: float32 [B, 3, H, W], 0 to 1.
        boxes: float32 [B, G, 4], x1, y1, x2, y2 in pixels.
        labels: int64 [B, G], 1 to 80.
        masks: uint8 [B, G, H, W].
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    images = rng.random((batch, 3, height, width), np.float32)
    w = rng.uniform(0.02, 0.35, (batch, num_gts)) * width
    h = rng.uniform(0.02, 0.35, (batch, num_gts)) * height
    x1 = rng.uniform(0, width - w)
    y1 = rng.uniform(0, height - h)
    boxes = np.stack([x1, y1, x1 + w, y1 + h], -1).astype(np.float32)
    labels = rng.integers(1, 81, (batch, num_gts))
    return images, boxes, labels, filled_boxes(boxes, height, width)


def draw_small_batch(
    seed: int, batch: int = 2, side: int = 192, num_gts: int = 6, num_classes: int = 5
) -> tuple[np.ndarray, ...]:
    """A batch of noise with filled boxes of 15 to 50 pixels, for the small network.

    Returns:
        As `draw_batch`; labels are 1 to `num_classes` - 1.
    """
    rng = np.random.default_rng(seed)
    images = rng.random((batch, 3, side, side), np.float32)
    corners = rng.uniform(0, side - 52, (batch, num_gts, 2))
    opposite = np.minimum(corners + rng.uniform(15, 50, (batch, num_gts, 2)), side - 1)
    boxes = np.concatenate([corners, opposite], -1).astype(np.float32)
    labels = rng.integers(1, num_classes, (batch, num_gts))
    return images, boxes, labels, filled_boxes(boxes, side, side)


def filled_boxes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks uint8 [B, G, height, width] that are 1 inside of boxes [B, G, 4]."""
    masks = np.zeros((*boxes.shape[:2], height, width), np.uint8)
    for image_masks, image_boxes in zip(masks, boxes.astype(int)):
        for mask, (left, top, right, bottom) in zip(image_masks, image_boxes):
            mask[top:bottom, left:right] = 1
    return masks
