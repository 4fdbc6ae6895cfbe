"""Which ground-truth object each box belongs to: the rule both stages share (Ren et al. 2015, section 3.1.2)."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from . import boxes as box_ops

# Objects compared at a time where shapes are static: 245,520 anchors x 32 objects are 31 MB a picture and temporary.
PIECE = 32


class Matcher(nn.Cell):
    """Compare objects truth [B, G, 4] (bool valid [B, G]) with boxes [B, N, 4], or [1, N, 4] that all pictures share.

    Returns best IoU float32 [B, N] (0 where a picture has no object), the object's index int32 [B, N] (the first of equals) and
    bool [B, N]: whether the box is, or ties with, the best box of some object at an IoU of at least `min_pos_iou` and over 0. Such a
    low-quality match keeps the object that the box itself overlaps most, as in detectron2 and torchvision.
    `kernel`: the compiled CPU kernel (`matcher_kernel.py`), whose work follows the real objects, instead of MindSpore's operators.
    """

    def __init__(self, min_pos_iou, kernel):
        super().__init__()
        self.min_pos_iou, self.operator = min_pos_iou, None
        if kernel:
            # Imported here: Numba is needed on the CPU only.
            from ..cpu.matcher_kernel import match_operator

            self.operator = match_operator(min_pos_iou)

    def construct(self, truth, valid, boxes):
        truth, boxes = ops.stop_gradient(truth), ops.stop_gradient(boxes)
        if self.operator is not None:
            return self.operator(truth, valid, boxes)
        count = truth.shape[1]
        best, index, is_best = _match_piece(truth[:, :PIECE], valid[:, :PIECE], boxes, self.min_pos_iou)
        for start in range(PIECE, count, PIECE):
            piece = _match_piece(
                truth[:, start : start + PIECE], valid[:, start : start + PIECE], boxes, self.min_pos_iou
            )
            index = ops.select(piece[0] > best, piece[1] + start, index)
            best = ops.maximum(best, piece[0])
            is_best = ops.logical_or(is_best, piece[2])
        return best, index, is_best


def _match_piece(truth, valid, boxes, min_pos_iou):
    iou = box_ops.pairwise_iou(truth, boxes) * valid.astype(ms.float32).expand_dims(-1)
    index, best = ops.ArgMaxWithValue(axis=1)(iou)
    best_of_object = iou.max(-1, keepdims=True)
    good = ops.logical_and(best_of_object >= min_pos_iou, best_of_object > 0)
    is_best = ops.logical_and(iou == best_of_object, good).astype(ms.float32).max(1) > 0
    return best, index.astype(ms.int32), is_best
