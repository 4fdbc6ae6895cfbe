"""Box arithmetic and NMS as ONNX nodes.

They do the same operations in the same order as `src/maskrcnn/ops/boxes.py` and `nms.py`: both round alike.
"""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

from ..maskrcnn.ops.constants import MAX_LOG_RATIO
from .graph import Graph


def split_corners(graph: Graph, boxes: str) -> List[str]:
    """[x1, y1 as [..., 2], x2, y2 as [..., 2]] of boxes [..., 4]."""
    return graph("Split", boxes, [2, 2], axis=-1, outputs=2)


def decode_boxes(graph: Graph, boxes: str, deltas: str, means: Sequence[float], stds: Sequence[float]) -> str:
    """Boxes [..., 4], x1, y1, x2, y2, moved and scaled by deltas [..., 4]."""
    if any(std != 1 for std in stds):
        deltas = graph("Mul", deltas, np.array(stds, np.float32))
    if any(mean != 0 for mean in means):
        deltas = graph("Add", deltas, np.array(means, np.float32))
    low, high = split_corners(graph, boxes)
    shift, log_scale = split_corners(graph, deltas)
    size = graph("Sub", high, low)
    center = graph("Add", low, graph("Mul", size, 0.5))
    center = graph("Add", center, graph("Mul", shift, size))
    log_scale = graph("Clip", log_scale, np.float32(-MAX_LOG_RATIO), np.float32(MAX_LOG_RATIO))
    scale = graph("Exp", log_scale)
    half_size = graph("Mul", graph("Mul", size, 0.5), scale)
    new_low = graph("Sub", center, half_size)
    new_high = graph("Add", center, half_size)
    return graph("Concat", new_low, new_high, axis=-1)


def picture_limits(graph: Graph, image_meta: str) -> str:
    """[B, 1, 4]: width, height, width, height of the picture on its canvas; image_meta [B, 6]."""
    return graph("Unsqueeze", graph("Gather", image_meta, [1, 0, 1, 0], axis=1), [1])


def clip_boxes(graph: Graph, boxes: str, limits: str) -> str:
    """Boxes [B, N, 4] clipped to their picture; limits as `picture_limits` gives them."""
    return graph("Min", graph("Relu", boxes), limits)


def is_large_enough(graph: Graph, boxes: str, min_size: float) -> str:
    """bool [...]: whether boxes [..., 4] have an area and are at least `min_size` pixels wide and high."""
    low, high = split_corners(graph, boxes)
    shorter_side = graph("ReduceMin", graph("Sub", high, low), axes=[-1], keepdims=0)
    if min_size > 0:
        return graph("GreaterOrEqual", shorter_side, float(min_size))
    return graph("Greater", shorter_side, 0.0)


def box_areas(graph: Graph, boxes: str) -> str:
    """Areas [...] of boxes [..., 4]."""
    low, high = split_corners(graph, boxes)
    return graph("ReduceProd", graph("Sub", high, low), axes=[-1], keepdims=0)


def nms_scores(
    graph: Graph,
    boxes: str,
    scores: str,
    iou_threshold: float,
    max_boxes: int,
    score_threshold: float,
    removed_score: float,
) -> str:
    """Scores after NMS: those of removed boxes are replaced.

    NonMaxSuppression removes a box that overlaps a better one by more than the threshold. Its widths and
    heights are x2 - x1 and y2 - y1, without +1. Of equal scores the first is the better one.

    Args:
        boxes: [B, N, 4].
        scores: [B, N].
        iou_threshold: largest IoU of two boxes that are both kept.
        max_boxes: how many boxes of a picture are kept at most.
        score_threshold: boxes with a score up to this are removed before NMS.
        removed_score: the score that a removed box gets.

    Returns:
        Scores [B, N].
    """
    kept = graph(
        "NonMaxSuppression",
        boxes,
        graph("Unsqueeze", scores, [1]),
        np.array([max_boxes], np.int64),
        np.array([iou_threshold], np.float32),
        np.array([score_threshold], np.float32),
    )
    index = graph("Gather", kept, [0, 2], axis=1)  # a row of `kept` is (picture, class, box)
    removed = graph.full(graph("Shape", scores), np.float32(removed_score))
    return graph("ScatterND", removed, index, graph("GatherND", scores, index))


def top_k(graph: Graph, scores: str, count: int) -> List[str]:
    """[scores [B, count], index int64 [B, count]], the highest first."""
    return graph("TopK", scores, [count], axis=-1, outputs=2)
