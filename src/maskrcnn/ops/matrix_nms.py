"""Greedy non-maximum suppression by a matrix of IoUs in float32, for devices where NMSWithMask is not exact.

It is written with operators that every Ascend chip has in float32, but for a product of zeros and ones, which
is exact in float16. Memory is its only limit of the number of boxes: some 20 bytes for each pair of boxes.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from . import boxes as box_ops

# Drawn boxes of many kinds (crowds around objects, dense grids) need at most 9 (tests/maskrcnn/ops).
ROUNDS = 16


class MatrixNMS(nn.Cell):
    """Greedy NMS of several groups of boxes at a time.

    The rounds are those of Cluster-NMS (Zheng et al. 2021, "Enhancing Geometric Factors in Model Learning and
    Inference for Object Detection and Instance Segmentation"): each keeps the boxes that no box of the round
    before suppresses. They end at greedy NMS's answer, which a box has at the latest after as many rounds as
    the longest chain of suppressions above it is long. After ROUNDS rounds, an even number, none is missing,
    and a box below a longer chain may be too much.

    Args:
        threshold: A box is suppressed if its IoU with a better box that is kept is larger than this.
    """

    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold
        self.multiply = ops.BatchMatMul()

    def construct(self, boxes, valid, scores):
        """bool [G, N]: which boxes are kept.

        Args:
            boxes: float32 [G, N, 4], G groups that are suppressed each by itself.
            valid: bool [G, N]. Other boxes suppress nothing and are not kept.
            scores: float32 [G, N], in any order. Of equal scores the first is the better.
        """
        overlaps = box_ops.pairwise_iou(boxes, boxes) > self.threshold
        of_row = scores.expand_dims(2)
        of_column = scores.expand_dims(1)
        position = ops.arange(0, boxes.shape[1])
        is_earlier = position.expand_dims(1) < position.expand_dims(0)
        is_better = ops.logical_or(of_row > of_column, ops.logical_and(of_row == of_column, is_earlier))
        suppresses = ops.logical_and(overlaps, is_better).astype(ms.float16)
        candidates = valid.astype(ms.float16).expand_dims(1)
        kept = candidates
        for _ in range(ROUNDS):
            suppressed = self.multiply(kept, suppresses) > 0
            kept = ops.mul(candidates, ops.logical_not(suppressed).astype(ms.float16))
        return kept.squeeze(1) > 0
