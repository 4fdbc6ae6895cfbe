"""The matcher's CPU kernel: boxes against objects in two passes without an IoU matrix, compiled by Numba, as a custom operator.

On the CPU MindSpore's broadcasting minimum and maximum run on one core: for 16,368 anchors, 4 pictures and 8 objects the plain form takes
120 ms of a step, this 3 ms.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from numba import njit, prange

from .custom_operator import custom_operator


@njit(cache=True)
def box_iou(a, b):
    overlap = max(min(a[2], b[2]) - max(a[0], b[0]), np.float32(0)) * max(
        min(a[3], b[3]) - max(a[1], b[1]), np.float32(0)
    )
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / max(union, np.float32(1e-9))


@njit(parallel=True, cache=True)
def match_boxes(truth, valid, boxes, floor, best, index, is_best):
    """truth [B, G, 4], valid bool [B, G], boxes [B or 1, N, 4]; fills best, index and is_best [B, N] as `matcher.match` describes them."""
    pictures, objects, count = truth.shape[0], truth.shape[1], boxes.shape[1]
    pieces = 16
    length = (count + pieces - 1) // pieces
    top = np.zeros(
        (pictures, pieces, objects), np.float32
    )  # an object's best IoU within each piece of the boxes
    for job in prange(pictures * pieces):
        n, piece = job // pieces, job % pieces
        own = n if boxes.shape[0] > 1 else 0
        for i in range(piece * length, min(count, (piece + 1) * length)):
            most, where = np.float32(0), 0
            for g in range(objects):
                if valid[n, g]:
                    iou = box_iou(truth[n, g], boxes[own, i])
                    if iou > most:
                        most, where = iou, g
                    if iou > top[n, piece, g]:
                        top[n, piece, g] = iou
            best[n, i], index[n, i], is_best[n, i] = most, where, False
    for job in prange(pictures * pieces):
        n, piece = job // pieces, job % pieces
        own = n if boxes.shape[0] > 1 else 0
        for g in range(objects):
            most = top[n, :, g].max()
            if valid[n, g] and most > 0 and most >= floor and top[n, piece, g] == most:
                for i in range(piece * length, min(count, (piece + 1) * length)):
                    if box_iou(truth[n, g], boxes[own, i]) == most:
                        is_best[n, i] = True


def match_operator(min_pos_iou):
    """Custom operator (truth [B, G, 4], valid bool [B, G], boxes [B or 1, N, 4]) -> float32 best, int32 index, bool is_best, each [B, N]."""
    floor = np.float32(min_pos_iou)

    def match(truth, valid, boxes):
        shape = (truth.shape[0], boxes.shape[1])
        best, index, is_best = (
            np.empty(shape, np.float32),
            np.empty(shape, np.int32),
            np.empty(shape, np.bool_),
        )
        match_boxes(truth, valid, boxes, floor, best, index, is_best)
        return best, index, is_best

    def shape(truth, valid, boxes):
        return [truth[0], boxes[1]], [truth[0], boxes[1]], [truth[0], boxes[1]]

    def dtype(truth, valid, boxes):
        return ms.float32, ms.int32, ms.bool_

    return custom_operator(match, shape, dtype)
