"""How well the configured anchors fit boxes."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np

from ...maskrcnn.anchor_generator import base_anchors


class AnchorSettings(NamedTuple):
    """The anchors, as `pyramid_anchors` takes them: canvas_size is (height, width) in pixels."""

    canvas_size: Tuple[int, int]
    feature_shapes: Tuple[Tuple[int, int], ...]
    strides: Tuple[int, ...]
    scales: Tuple[float, ...]
    ratios: Tuple[float, ...]
    rounded: bool


def best_anchor_iou(anchors: AnchorSettings, boxes: np.ndarray) -> np.ndarray:
    """The largest IoU of any anchor with each box.

    This is exact without comparing with every anchor: for one shape and level, the overlaps in x and y both
    grow as the anchor's centre comes nearer. So the anchor of the nearest grid cell is the best.

    Args:
        anchors: the configured anchors.
        boxes: float64 [n, 4], x1, y1, x2, y2 in canvas pixels.

    Returns:
        float64 [n].
    """
    canvas_height, canvas_width = anchors.canvas_size
    best = np.zeros(len(boxes))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for (rows, columns), stride in zip(anchors.feature_shapes, anchors.strides):
        step_x = step_y = stride
        if anchors.rounded:
            step_x = canvas_width // columns
            step_y = canvas_height // rows
        for x1, y1, x2, y2 in base_anchors(stride, anchors.scales, anchors.ratios, anchors.rounded):
            overlap = _largest_overlap(boxes[:, 0], boxes[:, 2], x1, x2, step_x, columns)
            overlap *= _largest_overlap(boxes[:, 1], boxes[:, 3], y1, y2, step_y, rows)
            best = np.maximum(best, overlap / (areas + (x2 - x1) * (y2 - y1) - overlap))
    return best


def _largest_overlap(box_low, box_high, anchor_low, anchor_high, step, num_cells):
    """The largest overlap, along one axis, of boxes with the anchors of a row of cells, float64 [n].

    Args:
        box_low, box_high: float64 [n], the boxes' ends on this axis.
        anchor_low, anchor_high: the ends of the first cell's anchor.
        step: distance of the cells.
        num_cells: how many there are.
    """
    centres = (box_low + box_high) / 2
    cells = np.rint((centres - (anchor_low + anchor_high) / 2) / step)
    shifts = np.clip(cells, 0, num_cells - 1) * step
    overlap = np.minimum(box_high, shifts + anchor_high) - np.maximum(box_low, shifts + anchor_low)
    return np.maximum(overlap, 0)
