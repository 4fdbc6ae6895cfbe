"""Greedy non-maximum suppression."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from .matrix_nms import MatrixNMS


@ops.constexpr
def _descending(count, times):
    """float32 [count * times, 1]: 0, -1, ..., 1 - count, so many times; a constant of the graph."""
    return Tensor(np.tile(-np.arange(count, dtype=np.float32), times)[:, None])


class NMS(nn.Cell):
    """Greedy non-maximum suppression of boxes in descending order of their scores.

    Args:
        threshold: A box is suppressed if its IoU with a better box that is kept is larger than this.
        kernel: Whether the compiled CPU kernel (`nms_kernel.py`) is used instead of MindSpore's operator.
        matrix: Whether `MatrixNMS` is used instead of MindSpore's operator.

    Attributes:
        split: The function that takes groups apart for MindSpore's operator.
    """

    split = staticmethod(ops.split)

    def __init__(self, threshold, kernel=False, matrix=False):
        super().__init__()
        self.operator = ops.NMSWithMask(threshold)
        self.kernel = None
        self.matrix = MatrixNMS(threshold) if matrix else None
        if kernel:
            from ..cpu.nms_kernel import nms_operator  # here, as only the CPU needs Numba

            self.kernel = nms_operator(threshold)

    def construct(self, boxes, valid, scores, counts=None):
        """bool [B, N]: which boxes are kept.

        Args:
            boxes: float32 [B, N, 4], in descending order of their scores.
            valid: bool [B, N]. Other boxes suppress nothing, and what is returned for them has no meaning.
            scores: float32 [B, N]. The matrix follows them where float16 has put nearly equal ones in another
                order; kernel and operator take the order as it is.
            counts: Python numbers whose sum is N: the first counts[0] boxes are compared with each other
                only, so are the next counts[1], and so on. Scores descend within each of these groups.
        """
        counts = (boxes.shape[1],) if counts is None else counts
        if self.kernel is not None:
            return self.run_kernel(ops.stop_gradient(boxes), valid, counts)
        if self.matrix is not None:
            return self.run_matrix(ops.stop_gradient(boxes), valid, ops.stop_gradient(scores), counts)
        # The operator has no input for `valid`. A box without area overlaps nothing, so it suppresses
        # nothing.
        boxes = boxes * valid.astype(ms.float32).expand_dims(-1)
        # The operator sorts by score; descending numbers keep the order.
        batch, count = valid.shape
        rows = ops.concat((boxes.reshape(-1, 4), _descending(count, batch)), 1)
        groups = self.split(rows, counts * batch, 0) if batch * len(counts) > 1 else (rows,)
        kept = ()
        for group in groups:
            kept += (self.operator(group)[2],)
        return ops.concat(kept).reshape(valid.shape)

    def run_kernel(self, boxes, valid, counts):
        if len(counts) == 1:
            return self.kernel(boxes, valid)
        kept = ()
        for group, group_valid in zip(ops.split(boxes, counts, 1), ops.split(valid, counts, 1)):
            kept += (self.kernel(group, group_valid),)
        return ops.concat(kept, 1)

    def run_matrix(self, boxes, valid, scores, counts):
        """The first groups of one length, as most levels have, go together."""
        batch = boxes.shape[0]
        length = counts[0]
        groups = 1
        while groups < len(counts) and counts[groups] == length:
            groups += 1
        total = groups * length
        kept = self.matrix(
            boxes[:, :total].reshape(batch * groups, length, 4),
            valid[:, :total].reshape(batch * groups, length),
            scores[:, :total].reshape(batch * groups, length),
        )
        kept = (kept.reshape(batch, total),)
        for count in counts[groups:]:
            end = total + count
            kept += (self.matrix(boxes[:, total:end], valid[:, total:end], scores[:, total:end]),)
            total = end
        return ops.concat(kept, 1) if len(kept) > 1 else kept[0]
