"""The CPU kernel of non-maximum suppression (NMS), compiled by Numba, as a custom operator.

A box that is suppressed is not compared any more.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import ops
from numba import njit, prange

from .custom_operator import custom_operator
from .matcher_kernel import box_iou


@njit(parallel=True, cache=True)
def suppress(boxes, valid, threshold, keep):
    """Fill keep bool [B, N] by NMS.

    Args:
        boxes: float32 [B, N, 4], in descending order of scores.
        valid: bool [B, N]; other boxes are not kept and suppress nothing.
        threshold: float32, the IoU over which a box is suppressed.
    """
    for n in prange(boxes.shape[0]):
        for i in range(boxes.shape[1]):
            keep[n, i] = valid[n, i]
        for i in range(boxes.shape[1]):
            if keep[n, i]:
                for j in range(i + 1, boxes.shape[1]):
                    # two comparisons first: most boxes do not overlap, and a division costs more
                    if keep[n, j] and boxes[n, j, 0] < boxes[n, i, 2] and boxes[n, i, 0] < boxes[n, j, 2]:
                        if box_iou(boxes[n, i], boxes[n, j]) > threshold:
                            keep[n, j] = False


def nms_operator(threshold: float) -> ops.Custom:
    """Custom operator (boxes float32 [B, N, 4], valid bool [B, N]) -> bool [B, N]."""
    limit = np.float32(threshold)

    def nms(boxes, valid):
        keep = np.empty(valid.shape, np.bool_)
        suppress(boxes, valid, limit, keep)
        return keep

    def shape(boxes, valid):
        return valid

    def dtype(boxes, valid):
        return ms.bool_

    return custom_operator(nms, shape, dtype)
