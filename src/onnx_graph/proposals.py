"""From the RPN's maps to proposals, as `ProposalGenerator` has it in inference."""

from __future__ import annotations

from ..maskrcnn.anchor_generator import pyramid_anchors
from . import boxes as box_nodes

_NEVER = -1e30


def proposals(graph, logits, deltas, config, limit):
    """(boxes float32 [B, P, 4], valid bool [B, P], P): best first, zeros where there are fewer.

    logits, deltas: a level each of [B, N] and [B, N, 4]; limit: the pictures' `limits`. P is rpn_max_num, or the number of candidates.
    """
    boxes, scores, total = [], [], 0
    for level, anchors in enumerate(pyramid_anchors(config)):
        graph.part = f"proposals/P{level + 2}"
        count = min(config.rpn_nms_pre, len(anchors))
        top, index = box_nodes.best(graph, logits[level], count)
        decoded = box_nodes.decode(
            graph,
            graph("Gather", anchors, index),
            graph.pick(deltas[level], index),
            config.rpn_target_means,
            config.rpn_target_stds,
        )
        decoded = box_nodes.clip(graph, decoded, limit)
        top = graph("Where", box_nodes.at_least(graph, decoded, config.rpn_min_bbox_min_size), top, _NEVER)
        if not config.rpn_nms_across_levels:
            top = suppress(graph, decoded, top, config)
        boxes, scores, total = boxes + [decoded], scores + [top], total + count
    graph.part = "proposals"
    boxes, scores = graph("Concat", *boxes, axis=1), graph("Concat", *scores, axis=1)
    if config.rpn_nms_across_levels:
        scores = suppress(graph, boxes, scores, config)
    count = min(config.rpn_max_num, total)
    scores, index = box_nodes.best(graph, scores, count)
    valid = graph("Greater", scores, _NEVER / 2)
    kept = graph("Unsqueeze", graph.cast(valid, "float32"), [2])
    return graph("Mul", graph.pick(boxes, index), kept), valid, count


def suppress(graph, boxes, scores, config):
    return box_nodes.suppress(
        graph, boxes, scores, config.rpn_nms_thr, config.rpn_nms_post, _NEVER / 2, _NEVER
    )
