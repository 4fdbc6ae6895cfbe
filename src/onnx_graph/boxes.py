"""Box arithmetic and NMS as ONNX nodes: `src/maskrcnn/ops/boxes.py` and `nms.py`, operation by operation, so that both round alike."""

from __future__ import annotations

import numpy as np

from ..maskrcnn.ops.constants import MAX_LOG_RATIO


def corners(graph, boxes):
    """([..., 2], [..., 2]): x1, y1 and x2, y2 of boxes [..., 4]."""
    return graph("Split", boxes, [2, 2], axis=-1, outputs=2)


def decode(graph, boxes, deltas, means, stds):
    """Boxes [..., 4] moved by deltas [..., 4]."""
    if any(std != 1 for std in stds):
        deltas = graph("Mul", deltas, np.array(stds, np.float32))
    if any(mean != 0 for mean in means):
        deltas = graph("Add", deltas, np.array(means, np.float32))
    low, high = corners(graph, boxes)
    shift, growth = corners(graph, deltas)
    size = graph("Sub", high, low)
    center = graph("Add", graph("Add", low, graph("Mul", size, 0.5)), graph("Mul", shift, size))
    growth = graph("Exp", graph("Clip", growth, np.float32(-MAX_LOG_RATIO), np.float32(MAX_LOG_RATIO)))
    half = graph("Mul", graph("Mul", size, 0.5), growth)
    return graph("Concat", graph("Sub", center, half), graph("Add", center, half), axis=-1)


def limits(graph, image_meta):
    """[B, 1, 4] width, height, width, height of the real picture in its canvas; image_meta [B, 6]."""
    return graph("Unsqueeze", graph("Gather", image_meta, [1, 0, 1, 0], axis=1), [1])


def clip(graph, boxes, limit):
    """Boxes [B, N, 4] clipped to the real picture, whose `limits` are given."""
    return graph("Min", graph("Relu", boxes), limit)


def at_least(graph, boxes, size):
    """bool [...]: whether boxes [..., 4] are at least `size` pixels wide and high, and have an area at all."""
    low, high = corners(graph, boxes)
    shorter = graph("ReduceMin", graph("Sub", high, low), axes=[-1], keepdims=0)
    return graph("GreaterOrEqual", shorter, float(size)) if size > 0 else graph("Greater", shorter, 0.0)


def areas(graph, boxes):
    """Areas [...] of boxes [..., 4]."""
    low, high = corners(graph, boxes)
    return graph("ReduceProd", graph("Sub", high, low), axes=[-1], keepdims=0)


def suppress(graph, boxes, scores, threshold, limit, floor, nothing):
    """Scores [B, N] of boxes [B, N, 4] with all but the best `limit` survivors of NMS set to `nothing`; those up to `floor` take no part.

    NonMaxSuppression drops what overlaps a better kept box by more than the threshold, without any +1; of equal scores the first is better.
    """
    chosen = graph(
        "NonMaxSuppression",
        boxes,
        graph("Unsqueeze", scores, [1]),
        np.array([limit], np.int64),
        np.array([threshold], np.float32),
        np.array([floor], np.float32),
    )
    places = graph("Gather", chosen, [0, 2], axis=1)  # of (picture, class, box)
    return graph(
        "ScatterND",
        graph.filled(graph("Shape", scores), np.float32(nothing)),
        places,
        graph("GatherND", scores, places),
    )


def best(graph, scores, count):
    """(scores [B, count], index int64 [B, count]), the highest first."""
    return graph("TopK", scores, [count], axis=-1, outputs=2)
