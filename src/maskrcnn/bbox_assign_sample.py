"""First stage: which anchors are objects, which are background, and which of them a step learns from."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .ops.matcher import Matcher
from .ops.sampling import choose, random_priorities


def label_anchors(best_iou, is_best, pos_iou_thr, neg_iou_thr):
    """(positive, negative) bool [B, N]; anchors that are neither are ignored."""
    positive = ops.logical_or(best_iou >= pos_iou_thr, is_best)
    return positive, ops.logical_and(best_iou < neg_iou_thr, ops.logical_not(positive))


class AnchorSampler(nn.Cell):
    """Assign and sample anchors: `num_expected_neg` a picture in all, at most `num_expected_pos` of them positive."""

    def __init__(self, config, kernel):
        super().__init__()
        self.pos_iou, self.neg_iou = config.pos_iou_thr, config.neg_iou_thr
        self.num_pos, self.num_total = config.num_expected_pos, config.num_expected_neg
        self.matcher = Matcher(config.min_pos_iou, kernel)

    def assign(self, anchors, truth, valid):
        """(positive bool [B, N], negative bool [B, N], matched int32 [B, N]) of anchors [N, 4] and truth [B, G, 4], valid [B, G]."""
        best, matched, is_best = self.matcher(truth, valid, anchors.expand_dims(0))
        positive, negative = label_anchors(best, is_best, self.pos_iou, self.neg_iou)
        return positive, negative, matched

    def construct(self, anchors, truth, valid, key):
        """Slots of sampled anchors, positives in the first min(num_expected_pos, N) of them.

        Returns index int32 [B, S] into the anchors, matched int32 [B, S] (the object), positive float32 [B, S] and weight float32 [B, S]
        (1 for a sampled anchor, 0 for an empty slot).
        """
        positive, negative, matched = self.assign(anchors, truth, valid)
        count = anchors.shape[0]
        pos_index, pos_chosen = choose(positive, random_priorities(key, count, 1), self.num_pos)
        neg_index, neg_chosen = choose(negative, random_priorities(key, count, 2), self.num_total)
        wanted = self.num_total - pos_chosen.astype(ms.int32).sum(-1, keepdims=True)
        rank = ops.arange(0, neg_index.shape[1]).astype(ms.int32).expand_dims(0)
        neg_chosen = ops.logical_and(neg_chosen, rank < wanted) if self.num_total < count else neg_chosen
        index = ops.concat((pos_index, neg_index), 1)
        pos_weight = pos_chosen.astype(ms.float32)
        weight = ops.concat((pos_weight, neg_chosen.astype(ms.float32)), 1)
        is_positive = ops.concat((pos_weight, ops.zeros_like(neg_chosen, dtype=ms.float32)), 1)
        return index, ops.gather_elements(matched, 1, index), is_positive, weight

    def positive_slots(self, count):
        """How many of the slots are for positives, with `count` anchors."""
        return min(self.num_pos, count)
