"""From the RPN's outputs to proposals as ONNX nodes, as `ProposalGenerator` does it in inference."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ..config import Config
from ..maskrcnn.from_config import make_anchors
from . import boxes as box_nodes
from .graph import Graph

_REMOVED = -1e30  # the logit of a removed proposal


class Proposals(NamedTuple):
    """The proposals of a batch, the best first.

    Attributes:
        boxes: float32 [B, P, 4] in canvas pixels; zeros in slots without a proposal.
        valid: bool [B, P], whether a slot has a proposal.
        slots: P, a Python number: rpn_max_num, or the number of candidates if that is less.
    """

    boxes: str
    valid: str
    slots: int


def make_proposals(
    graph: Graph, logits: Sequence[str], deltas: Sequence[str], config: Config, limits: str
) -> Proposals:
    """The proposals of a batch.

    Args:
        logits: [B, N] for each level.
        deltas: [B, N, 4] for each level.
        limits: the pictures' limits, see `picture_limits`.
    """
    boxes = []
    scores = []
    candidates = 0
    for level, anchors in enumerate(make_anchors(config)):
        graph.scope = f"proposals/P{level + 2}"
        count = min(config.rpn_nms_pre, len(anchors))
        level_scores, index = box_nodes.top_k(graph, logits[level], count)
        level_boxes = box_nodes.decode_boxes(
            graph,
            graph("Gather", anchors, index),
            graph.gather_rows(deltas[level], index),
            config.rpn_target_means,
            config.rpn_target_stds,
        )
        level_boxes = box_nodes.clip_boxes(graph, level_boxes, limits)
        large_enough = box_nodes.is_large_enough(graph, level_boxes, config.rpn_min_bbox_min_size)
        level_scores = graph("Where", large_enough, level_scores, _REMOVED)
        if not config.rpn_nms_across_levels:
            level_scores = _nms(graph, level_boxes, level_scores, config)
        boxes.append(level_boxes)
        scores.append(level_scores)
        candidates += count
    graph.scope = "proposals"
    all_boxes = graph("Concat", *boxes, axis=1)
    all_scores = graph("Concat", *scores, axis=1)
    if config.rpn_nms_across_levels:
        all_scores = _nms(graph, all_boxes, all_scores, config)
    slots = min(config.rpn_max_num, candidates)
    best_scores, index = box_nodes.top_k(graph, all_scores, slots)
    valid = graph("Greater", best_scores, _REMOVED / 2)
    valid_as_factor = graph("Unsqueeze", graph.cast(valid, "float32"), [2])
    best_boxes = graph("Mul", graph.gather_rows(all_boxes, index), valid_as_factor)
    return Proposals(best_boxes, valid, slots)


def _nms(graph, boxes, scores, config):
    return box_nodes.nms_scores(
        graph, boxes, scores, config.rpn_nms_thr, config.rpn_nms_post, _REMOVED / 2, _REMOVED
    )
