"""Second stage: which proposals take the class, box and mask of which object, and which of them a step learns from."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .ops.matcher import Matcher
from .ops.sampling import choose, random_priorities


class RoISampler(nn.Cell):
    """Assign and sample RoIs: `num_expected_total_stage2` a picture, at most `num_expected_pos_stage2` of them positive."""

    def __init__(self, config, kernel):
        super().__init__()
        self.pos_iou, self.neg_iou = config.pos_iou_thr_stage2, config.neg_iou_thr_stage2
        self.num_pos, self.num_neg, self.num_total = (
            config.num_expected_pos_stage2,
            config.num_expected_neg_stage2,
            config.num_expected_total_stage2,
        )
        self.matcher = Matcher(config.min_pos_iou_stage2, kernel)

    def assign(self, rois, truth, labels, valid):
        """(class int32 [B, N], object int32 [B, N], background bool [B, N]) of rois [B, N, 4]; class 0 is 'not positive'."""
        best, matched, is_best = self.matcher(truth, valid, rois)
        positive = ops.logical_or(best >= self.pos_iou, is_best)
        classes = ops.gather_elements(labels, 1, matched) * positive.astype(ms.int32)
        return classes, matched, ops.logical_and(best < self.neg_iou, ops.logical_not(positive))

    def construct(self, proposals, proposal_valid, truth, labels, valid, key):
        """Ground truth is appended to the proposals [B, P, 4] (bool [B, P]); truth [B, G, 4], labels int32 [B, G], valid bool [B, G].

        Returns rois float32 [B, S, 4], class int32 [B, S] (0 background), object int32 [B, S] and chosen bool [B, S]; the first
        `num_expected_pos_stage2` slots are for positives (the mask branch takes them), the rest for background.
        """
        rois = ops.concat((proposals, truth), 1)
        usable = ops.concat((proposal_valid, valid), 1)
        classes, matched, background = self.assign(rois, truth, labels, valid)
        count = rois.shape[1]
        pos_index, pos_chosen = choose(
            ops.logical_and(classes > 0, usable), random_priorities(key, count, 3), self.num_pos
        )
        neg_index, neg_chosen = choose(
            ops.logical_and(background, usable), random_priorities(key, count, 4), self.num_neg
        )
        wanted = self.num_total - pos_chosen.astype(ms.int32).sum(-1, keepdims=True)
        rank = ops.arange(0, neg_index.shape[1]).astype(ms.int32).expand_dims(0)
        neg_chosen = ops.logical_and(neg_chosen, rank < wanted)
        index = ops.concat((pos_index, neg_index), 1)
        chosen = ops.concat((pos_chosen, neg_chosen), 1)
        slot_class = ops.concat((ops.gather_elements(classes, 1, pos_index), ops.zeros_like(neg_index)), 1)
        rois = ops.gather_elements(rois, 1, index.expand_dims(-1).tile((1, 1, 4)))
        keep = chosen.astype(ms.float32).expand_dims(-1)
        return (
            rois * keep,
            slot_class * chosen.astype(ms.int32),
            ops.gather_elements(matched, 1, index),
            chosen,
        )

    def positive_slots(self, count):
        """How many of the slots are for positives, with `count` RoIs (proposals and objects)."""
        return min(self.num_pos, count)
