"""Greedy non-maximum suppression."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops


class NMS(nn.Cell):
    """bool [B, N]: which of boxes [B, N, 4], in the order of falling scores, no better kept one overlaps by more than `threshold` IoU.

    Boxes that are not `valid` [B, N] suppress nothing (their own answer means nothing). `kernel`: the compiled CPU kernel (`nms_kernel.py`)
    instead of MindSpore's operator.
    """

    def __init__(self, threshold, kernel=False):
        super().__init__()
        self.operator, self.kernel = ops.NMSWithMask(threshold), None
        if kernel:
            # Imported here: Numba is needed on the CPU only.
            from ..cpu.nms_kernel import nms_operator

            self.kernel = nms_operator(threshold)

    def construct(self, boxes, valid):
        if self.kernel is not None:
            return self.kernel(ops.stop_gradient(boxes), valid)
        # The operator drops nothing but what overlaps; a box without area overlaps nothing.
        boxes = boxes * valid.astype(ms.float32).expand_dims(-1)
        falling = -ops.arange(0, boxes.shape[1]).astype(ms.float32).expand_dims(1)  # stands for the scores
        kept = ()
        for one in ops.unbind(boxes):
            rows = ops.concat((one, falling), 1)
            _, _, mask = self.operator(rows)
            kept += (mask,)
        return ops.stack(kept)
