"""Which ground-truth object each box belongs to: the rule both stages share (Ren et al. 2015, section 3.1.2)."""
from __future__ import annotations

import mindspore as ms
from mindspore import ops

from src.maskrcnn import boxes as box_ops
from src.maskrcnn.rows import real_columns

# Objects compared at a time where shapes are static: 245,520 anchors x 32 objects are 31 MB a picture and temporary.
PIECE = 32


def match(truth, valid, boxes, min_pos_iou, dynamic):
    """Compare objects truth [B, G, 4] (bool valid [B, G]) with boxes [B, N, 4], or [1, N, 4] that all pictures share.

    Returns best IoU float32 [B, N] (0 where a picture has no object), the object's index int32 [B, N] (the first of equals) and
    bool [B, N]: whether the box is, or ties with, the best box of some object at an IoU of at least `min_pos_iou` and over 0. Such a
    low-quality match keeps the object that the box itself overlaps most, as in detectron2 and torchvision.
    `dynamic`: objects no picture of the batch has are left out first, so the work follows the data.
    """
    if dynamic:
        columns = real_columns(valid)
        return _match_piece(ops.gather(truth, columns, 1), ops.gather(valid, columns, 1), boxes, min_pos_iou)
    count = truth.shape[1]
    best, index, is_best = _match_piece(truth[:, :PIECE], valid[:, :PIECE], boxes, min_pos_iou)
    for start in range(PIECE, count, PIECE):
        iou, nearest, low = _match_piece(truth[:, start:start + PIECE], valid[:, start:start + PIECE], boxes, min_pos_iou)
        index = ops.select(iou > best, nearest + start, index)
        best = ops.maximum(best, iou)
        is_best = ops.logical_or(is_best, low)
    return best, index, is_best


def _match_piece(truth, valid, boxes, min_pos_iou):
    iou = box_ops.pairwise_iou(truth, boxes) * valid.astype(ms.float32).expand_dims(-1)
    index, best = ops.ArgMaxWithValue(axis=1)(iou)
    best_of_object = iou.max(-1, keepdims=True)
    good = ops.logical_and(best_of_object >= min_pos_iou, best_of_object > 0)
    is_best = ops.logical_and(iou == best_of_object, good).astype(ms.float32).max(1) > 0
    return best, index.astype(ms.int32), is_best
