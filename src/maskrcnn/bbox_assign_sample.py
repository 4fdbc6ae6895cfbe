"""First stage: label anchors as positive, negative or ignored, and sample those that a step learns from."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .ops.matcher import Matcher
from .ops.sampling import limit_negatives, random_priorities, sample


def label_anchors(best_iou, is_best, pos_iou_thr, neg_iou_thr):
    """(positive, negative), bool [B, N] each; anchors that are neither are ignored."""
    positive = ops.logical_or(best_iou >= pos_iou_thr, is_best)
    return positive, ops.logical_and(best_iou < neg_iou_thr, ops.logical_not(positive))


class AnchorSampler(nn.Cell):
    """Match and sample anchors.

    Args:
        pos_iou: An anchor of at least this IoU with an object is positive.
        neg_iou: An anchor under this IoU with every object is negative.
        min_pos_iou: The least IoU of an object's best anchor, which is positive too.
        num_pos: How many positive anchors of an image are sampled at most.
        num_total: How many anchors of an image are sampled in all.
        kernel: Whether the matcher uses the compiled CPU kernel.
    """

    def __init__(
        self,
        pos_iou: float,
        neg_iou: float,
        min_pos_iou: float,
        num_pos: int,
        num_total: int,
        kernel: bool = False,
    ):
        super().__init__()
        self.pos_iou = pos_iou
        self.neg_iou = neg_iou
        self.num_pos = num_pos
        self.num_total = num_total
        self.matcher = Matcher(min_pos_iou, kernel)

    def assign(self, anchors, gt_boxes, gt_valid):
        """Match anchors with objects and label them.

        Args:
            anchors: float32 [N, 4].
            gt_boxes: float32 [B, G, 4].
            gt_valid: bool [B, G].

        Returns:
            (positive, negative, matched_idxs): bool, bool and int32 [B, N].
        """
        best_iou, matched_idxs, is_best = self.matcher(gt_boxes, gt_valid, anchors.expand_dims(0))
        positive, negative = label_anchors(best_iou, is_best, self.pos_iou, self.neg_iou)
        return positive, negative, matched_idxs

    def construct(self, anchors, gt_boxes, gt_valid, key):
        """Sample anchors; arguments as in `assign`, and key int32 [B].

        The result is a plain tuple, here and in `RoISampler`: MindSpore 2.8 compiles a NamedTuple, but runs
        it in Python, where gradients end.

        Returns:
            sampled_idxs: int32 [B, S], indices of anchors; the first `positive_slots` slots have positives.
            matched_idxs: int32 [B, S].
            is_positive: float32 [B, S], 1 for a positive anchor.
            weight: float32 [B, S], 1 for a sampled anchor, 0 for an empty slot.
        """
        positive, negative, matched_idxs = self.assign(anchors, gt_boxes, gt_valid)
        count = anchors.shape[0]
        priorities = random_priorities(key, count, (1, 2))
        pos_idxs, pos_sampled = sample(positive, priorities[0], self.num_pos)
        neg_idxs, neg_sampled = sample(negative, priorities[1], self.num_total)
        if self.num_total < count:
            num_positive = pos_sampled.astype(ms.int32).sum(-1, keepdims=True)
            neg_sampled = limit_negatives(neg_sampled, num_positive, self.num_total)
        sampled_idxs = ops.concat((pos_idxs, neg_idxs), 1)
        pos_weight = pos_sampled.astype(ms.float32)
        weight = ops.concat((pos_weight, neg_sampled.astype(ms.float32)), 1)
        is_positive = ops.concat((pos_weight, ops.zeros_like(neg_sampled, dtype=ms.float32)), 1)
        return sampled_idxs, ops.gather_elements(matched_idxs, 1, sampled_idxs), is_positive, weight

    def positive_slots(self, num_anchors):
        """How many of the slots are for positives."""
        return min(self.num_pos, num_anchors)
