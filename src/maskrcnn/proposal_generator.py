"""From the RPN's logits and deltas to proposals."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from .ops import boxes as box_ops
from .ops.gather import gather_boxes
from .ops.nms import NMS
from .ops.padding import pad_zeros

_REMOVED = -1e30  # the logit of a removed box


class ProposalGenerator(nn.Cell):
    """For each level the best boxes, decoded, clipped, and NMS; then the best of all levels.

    Args:
        config: The configuration.
        training: Whether its rpn_proposal_* keys are used, otherwise its rpn_* keys.
        kernel: Whether NMS uses the compiled CPU kernel.
    """

    def __init__(self, config, training, kernel=False):
        super().__init__()
        prefix = "rpn_proposal_" if training else "rpn_"
        self.nms_pre = config[prefix + "nms_pre"]
        self.nms_post = config[prefix + "nms_post"]
        self.max_num = config[prefix + "max_num"]
        self.min_size = config["rpn_proposal_min_bbox_size" if training else "rpn_min_bbox_min_size"]
        self.nms_across_levels = config[prefix + "nms_across_levels"]
        self.nms = NMS(config[prefix + "nms_thr"], kernel)
        self.means = Tensor(config.rpn_target_means, ms.float32)
        self.stds = Tensor(config.rpn_target_stds, ms.float32)

    def construct(self, logits, deltas, anchors, image_meta):
        """Proposals of each image.

        Args:
            logits: For each level float32 [B, N].
            deltas: For each level float32 [B, N, 4].
            anchors: For each level float32 [N, 4].
            image_meta: float32 [B, 6].

        Returns:
            proposals: float32 [B, max_num, 4], the best first; zeros in slots without a proposal.
            proposal_valid: bool [B, max_num].
        """
        boxes = ()
        scores = ()
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
            level_scores, idxs = ops.topk(level_logits, min(self.nms_pre, level_logits.shape[1]))
            level_boxes = box_ops.decode(
                ops.gather(level_anchors, idxs, 0), gather_boxes(level_deltas, idxs), self.means, self.stds
            )
            level_boxes = box_ops.clip(level_boxes, image_meta)
            level_scores = ops.select(
                box_ops.is_large_enough(level_boxes, self.min_size),
                level_scores,
                ops.full_like(level_scores, _REMOVED),
            )
            if not self.nms_across_levels:
                level_scores = self.suppress(level_boxes, level_scores)
            boxes += (level_boxes,)
            scores += (level_scores,)
        boxes = ops.concat(boxes, 1)
        scores = ops.concat(scores, 1)
        count = scores.shape[1]
        scores, idxs = ops.topk(scores, count if self.nms_across_levels else min(self.max_num, count))
        boxes = gather_boxes(boxes, idxs)
        if self.nms_across_levels:
            scores, idxs = ops.topk(self.suppress(boxes, scores), min(self.max_num, count))
            boxes = gather_boxes(boxes, idxs)
        missing = self.max_num - scores.shape[1]
        if missing > 0:  # a small canvas has fewer anchors than max_num
            scores = ops.concat((scores, ops.full((scores.shape[0], missing), _REMOVED, dtype=ms.float32)), 1)
            boxes = pad_zeros(boxes, 1, 0, missing)
        proposal_valid = scores > _REMOVED / 2
        return boxes * proposal_valid.astype(ms.float32).expand_dims(-1), proposal_valid

    def suppress(self, boxes, scores):
        """Scores [B, N] with _REMOVED for all boxes but the best `nms_post` that NMS keeps.

        Scores are in descending order, but for boxes that have been removed before.
        """
        kept = ops.logical_and(self.nms(boxes, scores > _REMOVED / 2), scores > _REMOVED / 2)
        rank = kept.astype(ms.int32).cumsum(1)
        return ops.select(
            ops.logical_and(kept, rank <= self.nms_post), scores, ops.full_like(scores, _REMOVED)
        )
