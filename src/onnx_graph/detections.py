"""From proposals to final detections as ONNX nodes, as `BoxHead` and `DetectionGenerator` compute them."""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence, Tuple

import numpy as np

from ..config import Config
from . import boxes as box_nodes
from .layers import Layers
from .proposals import Proposals
from .roi_align import roi_align


class Detections(NamedTuple):
    """The detections of a batch, the best first; D is test_max_per_img. Slots without a detection hold zeros.

    Attributes:
        boxes: float32 [B, D, 4] in canvas pixels.
        scores: float32 [B, D].
        labels: int64 [B, D].
        valid: bool [B, D], whether a slot has a detection.
    """

    boxes: str
    scores: str
    labels: str
    valid: str


class _Candidates(NamedTuple):
    """The best pairs of a RoI and a class, [B, K].

    Attributes:
        scores: float32.
        labels: int64, the class.
        roi_index: int64, the RoI's row among the B * P padded ones.
        count: K, a Python number.
    """

    scores: str
    labels: str
    roi_index: str
    count: int


def make_detections(
    layers: Layers, features: Sequence[str], proposals: Proposals, config: Config, limits: str
) -> Detections:
    """The detections of a batch.

    Every pair of a RoI and a class is a candidate. For NMS the boxes of each class are shifted to another
    area, so that one NMS does the work of one for each class (see `DetectionGenerator`).

    Args:
        features: P2 to P5.
        limits: the pictures' limits, see `picture_limits`.
    """
    graph = layers.graph
    classes = config.num_classes
    per_picture = proposals.slots
    graph.scope = "box_align"
    rois = graph("Reshape", proposals.boxes, [-1, 4])
    roi_valid = graph.flatten(proposals.valid)
    size = config.roi_layer["out_size"]
    pooled, roi_index = roi_align(graph, features, rois, roi_valid, per_picture, size, config)
    logits, deltas = box_head(layers, pooled, config)
    graph.scope = "detections"
    # scores of the pooled RoIs without the background, then scattered to all padded ones
    scores = graph("Slice", graph("Softmax", logits, axis=-1), [1], [classes], [1])
    pooled_valid = graph.cast(graph("Gather", roi_valid, roi_index), "float32")
    scores = graph("Mul", scores, graph("Unsqueeze", pooled_valid, [1]))
    roi_count = graph.row_count(roi_valid)
    scatter_index = graph("Unsqueeze", roi_index, [1])
    no_scores = graph.full(graph("Concat", roi_count, [classes - 1], axis=0), np.float32(0))
    scores = graph("ScatterND", no_scores, scatter_index, scores)
    candidates = _best_candidates(graph, scores, proposals, config)
    # the candidates' deltas: from a RoI's row among the padded ones to its row among the pooled ones
    no_rows = graph.full(roi_count, np.int64(0))
    pooled_rows = graph("ScatterND", no_rows, scatter_index, graph.arange(graph.row_count(roi_index)))
    pooled_row = graph("Gather", pooled_rows, candidates.roi_index)
    deltas = graph("Reshape", deltas, [-1, 4])
    delta_row = graph("Add", graph("Mul", pooled_row, classes), candidates.labels)
    deltas = graph("Gather", deltas, delta_row)
    boxes = graph("Gather", rois, candidates.roi_index)
    boxes = box_nodes.decode_boxes(graph, boxes, deltas, config.rcnn_target_means, config.rcnn_target_stds)
    boxes = box_nodes.clip_boxes(graph, boxes, limits)
    return _select_detections(graph, boxes, candidates, config)


def box_head(layers: Layers, pooled: str, config: Config) -> Tuple[str, str]:
    """(class logits [R, C], deltas [R, 4C]) of pooled [R, channels, s, s]."""
    layers.graph.scope = "box_head"
    x = pooled
    for i in range(config.rcnn_num_convs):
        x = layers.conv(x, f"box_head.convs.{i}", 1, config.rcnn_norm, f"box_head.norms.{i}", relu=True)
    x = layers.graph("Flatten", x)
    for i in range(config.rcnn_num_layers):
        x = layers.dense(x, f"box_head.fc.{i}", relu=True)
    logits = layers.dense(x, "box_head.cls")
    deltas = layers.dense(x, "box_head.reg")
    return logits, deltas


def _best_candidates(graph, scores, proposals, config):
    """The _Candidates with the best of the scores [B * P, C - 1]."""
    foreground_classes = config.num_classes - 1
    pairs = proposals.slots * foreground_classes
    count = min(config.test_nms_pre, pairs)
    scores = graph("Reshape", scores, [-1, pairs])
    scores, pair = box_nodes.top_k(graph, scores, count)
    labels = graph("Add", graph("Mod", pair, foreground_classes), 1)
    picture = graph("Unsqueeze", graph.arange(graph.row_count(proposals.valid)), [1])
    first_roi = graph("Mul", picture, proposals.slots)
    roi_index = graph("Add", graph("Div", pair, foreground_classes), first_roi)
    return _Candidates(scores, labels, roi_index, count)


def _select_detections(graph, boxes, candidates, config):
    """The Detections that are left of candidates with boxes [B, K, 4] after the score threshold and NMS."""
    slots = config.test_max_per_img
    is_candidate = graph(
        "And",
        graph("Greater", candidates.scores, float(config.test_score_thr)),
        box_nodes.is_large_enough(graph, boxes, config.test_min_bbox_size),
    )
    scores = box_nodes.nms_scores(
        graph,
        graph("Add", boxes, _class_offsets(graph, candidates.labels, config)),
        graph("Where", is_candidate, candidates.scores, -1.0),
        config.test_iou_thr,
        slots,
        0.0,
        -1.0,
    )
    scores, index = box_nodes.top_k(graph, scores, min(slots, candidates.count))
    boxes = graph.gather_rows(boxes, index)
    labels = graph.gather_rows(candidates.labels, index)
    missing = slots - candidates.count
    if missing > 0:
        scores = graph("Pad", scores, [0, 0, 0, missing])
        labels = graph("Pad", labels, [0, 0, 0, missing])
        boxes = graph("Pad", boxes, [0, 0, 0, 0, missing, 0])
    valid = graph("Greater", scores, 0.0)
    boxes = graph("Mul", boxes, graph("Unsqueeze", graph.cast(valid, "float32"), [2]))
    scores = graph("Relu", scores)
    labels = graph("Mul", labels, graph.cast(valid, "int64"))
    return Detections(boxes, scores, labels, valid)


def _class_offsets(graph, labels, config):
    """float32 [B, K, 4]: the shift of each box, so that boxes of two classes never overlap."""
    columns = math.ceil(math.sqrt(config.num_classes))
    column = graph.cast(graph("Mod", labels, columns), "float32")
    x = graph("Mul", column, np.float32(config.img_width + 1.0))
    row = graph.cast(graph("Div", labels, columns), "float32")
    y = graph("Mul", row, np.float32(config.img_height + 1.0))
    return graph("Concat", *(graph("Unsqueeze", offset, [2]) for offset in (x, y, x, y)), axis=2)
