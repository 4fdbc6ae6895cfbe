"""From the RPN's scores and deltas to proposals: best per level, decode, clip, NMS per level, best of all levels."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .layers import constant, pad_zeros
from .ops import boxes as box_ops
from .ops.nms import NMS

_NEVER = -1e30


class ProposalGenerator(nn.Cell):
    """`training` chooses between the rpn_proposal_* and the rpn_* keys of the configuration."""

    def __init__(self, config, training, kernel=False):
        super().__init__()
        prefix = "rpn_proposal_" if training else "rpn_"
        self.nms_pre, self.nms_post, self.max_num = (
            config[prefix + "nms_pre"],
            config[prefix + "nms_post"],
            config[prefix + "max_num"],
        )
        self.min_size = config["rpn_proposal_min_bbox_size" if training else "rpn_min_bbox_min_size"]
        self.across_levels = config[prefix + "nms_across_levels"]
        self.nms = NMS(config[prefix + "nms_thr"], kernel)
        self.means, self.stds = constant(config.rpn_target_means), constant(config.rpn_target_stds)

    def construct(self, logits, deltas, anchors, image_meta):
        """logits, deltas, anchors: a level each of [B, N], [B, N, 4] and [N, 4]; image_meta [B, 6].

        Returns proposals float32 [B, max_num, 4], best first, zeros where there are fewer, and valid bool [B, max_num].
        """
        boxes, scores = (), ()
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
            best, index = ops.topk(level_logits, min(self.nms_pre, level_logits.shape[1]))
            picked = ops.gather_elements(level_deltas, 1, index.expand_dims(-1).tile((1, 1, 4)))
            decoded = box_ops.clip(
                box_ops.decode(ops.gather(level_anchors, index, 0), picked, self.means, self.stds), image_meta
            )
            best = ops.select(box_ops.at_least(decoded, self.min_size), best, ops.full_like(best, _NEVER))
            if not self.across_levels:
                best = self.suppress(decoded, best)
            boxes, scores = boxes + (decoded,), scores + (best,)
        boxes, scores = ops.concat(boxes, 1), ops.concat(scores, 1)
        scores, index = ops.topk(
            scores, scores.shape[1] if self.across_levels else min(self.max_num, scores.shape[1])
        )
        boxes = ops.gather_elements(boxes, 1, index.expand_dims(-1).tile((1, 1, 4)))
        if self.across_levels:
            scores, index = ops.topk(self.suppress(boxes, scores), min(self.max_num, scores.shape[1]))
            boxes = ops.gather_elements(boxes, 1, index.expand_dims(-1).tile((1, 1, 4)))
        missing = self.max_num - scores.shape[1]
        if missing > 0:  # a small canvas has fewer anchors than proposals are wanted
            scores = ops.concat((scores, ops.full((scores.shape[0], missing), _NEVER, dtype=ms.float32)), 1)
            boxes = pad_zeros(boxes, 1, 0, missing)
        valid = scores > _NEVER / 2
        return boxes * valid.astype(ms.float32).expand_dims(-1), valid

    def suppress(self, boxes, scores):
        """Scores [B, N] (sorted, but for dropped boxes) with all but the NMS survivors' best `nms_post` set to 'never'."""
        kept = ops.logical_and(self.nms(boxes, scores > _NEVER / 2), scores > _NEVER / 2)
        rank = kept.astype(ms.int32).cumsum(1)
        return ops.select(ops.logical_and(kept, rank <= self.nms_post), scores, ops.full_like(scores, _NEVER))
