"""Second stage: match proposals with objects, and sample the RoIs that a step learns from."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .ops.gather import gather_boxes
from .ops.matcher import Matcher
from .ops.sampling import limit_negatives, random_priorities, sample


class RoISampler(nn.Cell):
    """Match and sample RoIs.

    Args:
        pos_iou: A RoI of at least this IoU with an object is positive.
        neg_iou: A RoI under this IoU with every object is negative.
        min_pos_iou: The least IoU of an object's best RoI, which is positive too.
        num_pos: How many positive RoIs of an image are sampled at most.
        num_neg: How many negative RoIs of an image are sampled at most.
        num_total: How many RoIs of an image are sampled in all.
        kernel: Whether the matcher uses the compiled CPU kernel.
    """

    def __init__(
        self,
        pos_iou: float,
        neg_iou: float,
        min_pos_iou: float,
        num_pos: int,
        num_neg: int,
        num_total: int,
        kernel: bool = False,
    ):
        super().__init__()
        self.pos_iou = pos_iou
        self.neg_iou = neg_iou
        self.num_pos = num_pos
        self.num_neg = num_neg
        self.num_total = num_total
        self.matcher = Matcher(min_pos_iou, kernel)

    def assign(self, rois, gt_boxes, gt_labels, gt_valid):
        """Match RoIs with objects and label them.

        Args:
            rois: float32 [B, N, 4].
            gt_boxes: float32 [B, G, 4].
            gt_labels: int32 [B, G].
            gt_valid: bool [B, G].

        Returns:
            classes: int32 [B, N], the object's class of a positive RoI, otherwise 0.
            matched_idxs: int32 [B, N].
            negative: bool [B, N].
        """
        best_iou, matched_idxs, is_best = self.matcher(gt_boxes, gt_valid, rois)
        positive = ops.logical_or(best_iou >= self.pos_iou, is_best)
        classes = ops.gather_elements(gt_labels, 1, matched_idxs) * positive.astype(ms.int32)
        return classes, matched_idxs, ops.logical_and(best_iou < self.neg_iou, ops.logical_not(positive))

    def construct(self, proposals, proposal_valid, gt_boxes, gt_labels, gt_valid, key):
        """Sample RoIs from the proposals and, appended to them, the ground truth.

        Args:
            proposals: float32 [B, P, 4].
            proposal_valid: bool [B, P].
            gt_boxes: float32 [B, G, 4].
            gt_labels: int32 [B, G].
            gt_valid: bool [B, G].
            key: int32 [B].

        Returns:
            rois: float32 [B, S, 4]. The first `positive_slots` slots are for positives, and the
                mask head uses only these.
            classes: int32 [B, S], 0 for the background.
            matched_idxs: int32 [B, S].
            roi_valid: bool [B, S], whether the slot has a sampled RoI.
        """
        rois = ops.concat((proposals, gt_boxes), 1)
        valid = ops.concat((proposal_valid, gt_valid), 1)
        classes, matched_idxs, negative = self.assign(rois, gt_boxes, gt_labels, gt_valid)
        count = rois.shape[1]
        positive = ops.logical_and(classes > 0, valid)
        negative = ops.logical_and(negative, valid)
        priorities = random_priorities(key, count, (3, 4))
        pos_idxs, pos_sampled = sample(positive, priorities[0], self.num_pos)
        neg_idxs, neg_sampled = sample(negative, priorities[1], self.num_neg)
        num_positive = pos_sampled.astype(ms.int32).sum(-1, keepdims=True)
        neg_sampled = limit_negatives(neg_sampled, num_positive, self.num_total)
        sampled_idxs = ops.concat((pos_idxs, neg_idxs), 1)
        roi_valid = ops.concat((pos_sampled, neg_sampled), 1)
        classes = ops.concat((ops.gather_elements(classes, 1, pos_idxs), ops.zeros_like(neg_idxs)), 1)
        rois = gather_boxes(rois, sampled_idxs)
        return (
            rois * roi_valid.astype(ms.float32).expand_dims(-1),
            classes * roi_valid.astype(ms.int32),
            ops.gather_elements(matched_idxs, 1, sampled_idxs),
            roi_valid,
        )

    def positive_slots(self, num_rois):
        """How many of the slots are for positives; `num_rois` counts proposals and ground truth."""
        return min(self.num_pos, num_rois)
