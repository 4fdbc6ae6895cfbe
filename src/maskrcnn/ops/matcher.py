"""Match anchors or RoIs with ground-truth objects, in both stages (Ren et al. 2015, section 3.1.2)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from . import boxes as box_ops

# How many IoUs MindSpore's operators hold at a time at most: 256 MB. A picture's 245,520 anchors with 128
# objects are 31 million.
MAX_IOUS = 2**26


class Matcher(nn.Cell):
    """For each box, the object that it overlaps most; and whether it is some object's best box.

    Args:
        min_pos_iou: The least IoU of an object's best box; over 0 in any case.
        kernel: Whether the compiled CPU kernel (`matcher_kernel.py`) is used instead of MindSpore's
            operators. Its time grows with the number of valid objects only.
    """

    def __init__(self, min_pos_iou, kernel):
        super().__init__()
        self.min_pos_iou = min_pos_iou
        self.operator = None
        if kernel:
            from ..cpu.matcher_kernel import match_operator  # here, as only the CPU needs Numba

            self.operator = match_operator(min_pos_iou)

    def construct(self, gt_boxes, gt_valid, boxes):
        """Match boxes with objects.

        Args:
            gt_boxes: float32 [B, G, 4].
            gt_valid: bool [B, G].
            boxes: float32 [B, N, 4], or [1, N, 4] that all images share.

        Returns:
            best_iou: float32 [B, N], 0 where an image has no object.
            matched_idxs: int32 [B, N], the object of the best IoU; the first of equals.
            is_best: bool [B, N], whether the box has the highest IoU of all boxes with some object, alone or
                with others. Such a low-quality match is still matched with the object that the box itself
                overlaps most, as in detectron2 and torchvision.
        """
        gt_boxes = ops.stop_gradient(gt_boxes)
        boxes = ops.stop_gradient(boxes)
        if self.operator is not None:
            return self.operator(gt_boxes, gt_valid, boxes)
        count = max(1, min(MAX_IOUS // (gt_boxes.shape[0] * boxes.shape[1]), gt_boxes.shape[1]))
        if count == gt_boxes.shape[1]:
            return self.match_chunk(gt_boxes, gt_valid, boxes)
        best_iou, matched_idxs, is_best = self.match_chunk(gt_boxes[:, :count], gt_valid[:, :count], boxes)
        for start in range(count, gt_boxes.shape[1], count):
            chunk_iou, chunk_idxs, chunk_is_best = self.match_chunk(
                gt_boxes[:, start : start + count], gt_valid[:, start : start + count], boxes
            )
            matched_idxs = ops.select(chunk_iou > best_iou, chunk_idxs + start, matched_idxs)
            best_iou = ops.maximum(best_iou, chunk_iou)
            is_best = ops.logical_or(is_best, chunk_is_best)
        return best_iou, matched_idxs, is_best

    def match_chunk(self, gt_boxes, gt_valid, boxes):
        """The same for some of the objects."""
        iou = box_ops.pairwise_iou(gt_boxes, boxes) * gt_valid.astype(ms.float32).expand_dims(-1)
        matched_idxs, best_iou = ops.ArgMaxWithValue(axis=1)(iou)
        best_iou_of_gt = iou.max(-1, keepdims=True)
        has_best_box = best_iou_of_gt >= self.min_pos_iou if self.min_pos_iou > 0 else best_iou_of_gt > 0
        # No IoU is 2.
        best_iou_of_gt = ops.select(has_best_box, best_iou_of_gt, ops.full_like(best_iou_of_gt, 2.0))
        return best_iou, matched_idxs.astype(ms.int32), (iou == best_iou_of_gt).any(1)
