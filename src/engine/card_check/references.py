"""What the operators should give, in plain NumPy float64."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def iou(boxes: np.ndarray) -> np.ndarray:
    """IoU [N, N] of boxes [N, 4] of an area with each other."""
    starts = boxes[:, :2].astype(np.float64)
    ends = boxes[:, 2:].astype(np.float64)
    sides = np.minimum(ends[:, None], ends) - np.maximum(starts[:, None], starts)
    overlap = np.maximum(sides, 0).prod(-1)
    areas = (ends - starts).prod(-1)
    return overlap / (areas[:, None] + areas - overlap)


def greedy_nms(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """bool [N]: which boxes [N, 4], the best first, are kept."""
    overlaps = iou(boxes) > threshold
    kept = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if kept[i]:
            kept[i + 1 :] &= ~overlaps[i, i + 1 :]
    return kept


def roi_align(features: Sequence[np.ndarray], rois: np.ndarray, size: int, samples: int) -> np.ndarray:
    """Pooled features [R, C, size, size] of one picture (He et al. 2017, half-pixel-correct).

    Args:
        features: P2 to P5, [C, h, w] each.
        rois: [R, 4] in pixels.
        size: Cells of a side.
        samples: Samples of a cell's side.
    """
    sides = rois[:, 2:] - rois[:, :2]
    side = np.sqrt(sides.prod(1))
    levels = np.clip(np.floor(np.log2(np.maximum(side, 1e-6) / 56)), 0, 3).astype(int)
    offsets = (np.arange(size * samples) + 0.5) / (size * samples)
    pooled = []
    for roi, level in zip(rois.astype(np.float64), levels):
        plane = features[level].astype(np.float64)
        x1, y1, x2, y2 = roi / (4 * 2**level) - 0.5
        values = _interpolate(plane, y1 + offsets * (y2 - y1), x1 + offsets * (x2 - x1))
        pooled.append(values.reshape(len(plane), size, samples, size, samples).mean((2, 4)))
    return np.stack(pooled)


def _interpolate(plane, y, x):
    """Bilinear values [C, Y, X] of a map [C, h, w]; up to one cell outside they are the edge's."""
    _, height, width = plane.shape
    inside = ((y >= -1) & (y <= height))[:, None] & ((x >= -1) & (x <= width))
    y = np.clip(y, 0, height - 1)
    x = np.clip(x, 0, width - 1)
    top = np.floor(y).astype(int)
    left = np.floor(x).astype(int)
    bottom = np.minimum(top + 1, height - 1)
    right = np.minimum(left + 1, width - 1)
    dy = (y - top)[:, None]
    dx = x - left
    above = plane[:, top][:, :, left] * (1 - dx) + plane[:, top][:, :, right] * dx
    below = plane[:, bottom][:, :, left] * (1 - dx) + plane[:, bottom][:, :, right] * dx
    return inside * (above * (1 - dy) + below * dy)


def priorities(key: int, count: int, salt: int) -> np.ndarray:
    """The priorities of `src/maskrcnn/ops/sampling.py`, in whole numbers."""
    bits = (np.arange(count, dtype=np.int64) * 0x1E3779B1 + salt * 0x05EBCA6B) & 0x7FFFFFFF
    bits ^= key
    for shift, factor in ((16, 0x05EBCA6B), (13, 0x42B2AE35), (16, 0x27D4EB2F), (13, 0x165667B1)):
        bits = (bits ^ bits >> shift) * factor & 0x7FFFFFFF
    return ((bits ^ bits >> 16) >> 7) / 2.0**9 - 2.0**15
