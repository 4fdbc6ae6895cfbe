"""Greedy non-maximum suppression."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops


class NMS(nn.Cell):
    """Greedy non-maximum suppression of boxes in descending order of their scores.

    Args:
        threshold: A box is suppressed if its IoU with a better box that is kept is larger than this.
        kernel: Whether the compiled CPU kernel (`nms_kernel.py`) is used instead of MindSpore's operator.
    """

    def __init__(self, threshold, kernel=False):
        super().__init__()
        self.operator = ops.NMSWithMask(threshold)
        self.kernel = None
        if kernel:
            from ..cpu.nms_kernel import nms_operator  # here, as only the CPU needs Numba

            self.kernel = nms_operator(threshold)

    def construct(self, boxes, valid, counts=None):
        """bool [B, N]: which boxes are kept.

        Args:
            boxes: float32 [B, N, 4], in descending order of their scores.
            valid: bool [B, N]. Other boxes suppress nothing, and what is returned for them has no meaning.
            counts: Python numbers whose sum is N: the first counts[0] boxes are compared with each other
                only, so are the next counts[1], and so on. Scores descend within each of these groups.
        """
        counts = (boxes.shape[1],) if counts is None else counts
        if self.kernel is not None:
            return self.run_kernel(ops.stop_gradient(boxes), valid, counts)
        # The operator has no input for `valid`. A box without area overlaps nothing, so it suppresses
        # nothing.
        boxes = boxes * valid.astype(ms.float32).expand_dims(-1)
        # The operator sorts by score; descending numbers keep the order.
        scores = -ops.arange(0, boxes.shape[1]).astype(ms.float32).expand_dims(1)
        kept = ()
        for image_boxes in ops.unbind(boxes):
            for group in ops.split(ops.concat((image_boxes, scores), 1), counts):
                kept += (self.operator(group)[2],)
        return ops.concat(kept).reshape(valid.shape)

    def run_kernel(self, boxes, valid, counts):
        if len(counts) == 1:
            return self.kernel(boxes, valid)
        kept = ()
        for group, group_valid in zip(ops.split(boxes, counts, 1), ops.split(valid, counts, 1)):
            kept += (self.kernel(group, group_valid),)
        return ops.concat(kept, 1)
