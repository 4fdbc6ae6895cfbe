"""NMS's CPU kernel, compiled by Numba, as a custom operator: a box is compared only as long as nothing has suppressed it."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from numba import njit, prange

from .custom_operator import custom_operator
from .matcher_kernel import box_iou


@njit(parallel=True, cache=True)
def suppress(boxes, valid, threshold, kept):
    """boxes [B, N, 4] in the order of falling scores, valid bool [B, N]; fills kept bool [B, N]. Boxes that are not valid are not kept."""
    for n in prange(boxes.shape[0]):
        for i in range(boxes.shape[1]):
            kept[n, i] = valid[n, i]
        for i in range(boxes.shape[1]):
            if kept[n, i]:
                for j in range(i + 1, boxes.shape[1]):
                    # most boxes lie apart: two comparisons spare the division
                    if kept[n, j] and boxes[n, j, 0] < boxes[n, i, 2] and boxes[n, i, 0] < boxes[n, j, 2]:
                        if box_iou(boxes[n, i], boxes[n, j]) > threshold:
                            kept[n, j] = False


def nms_operator(threshold):
    """Custom operator (boxes float32 [B, N, 4], valid bool [B, N]) -> bool [B, N]."""
    limit = np.float32(threshold)

    def nms(boxes, valid):
        kept = np.empty(valid.shape, np.bool_)
        suppress(boxes, valid, limit, kept)
        return kept

    def shape(boxes, valid):
        return valid

    def dtype(boxes, valid):
        return ms.bool_

    return custom_operator(nms, shape, dtype)
