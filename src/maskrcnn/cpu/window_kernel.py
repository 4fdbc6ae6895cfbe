"""The 3x3 windows of a pyramid around chosen anchors: the CPU's way to the RPN's losses, compiled by Numba, as a custom operator.

The RPN's losses see some 256 anchors of a picture's 245,520. Computing the head once more at those few windows and taking gradients
there spares the gradients of its convolution over whole maps, a fifth of a training step.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops
from numba import njit, prange

from .custom_operator import custom_operator


@njit(cache=True)
def locate(anchor, sizes, num_anchors):
    """(level, y, x) of an anchor's index in the order level, y, x, anchor; sizes int64 [L, 2]."""
    place = anchor // num_anchors
    for level in range(len(sizes)):
        cells = sizes[level, 0] * sizes[level, 1]
        if place < cells:
            return level, place // sizes[level, 1], place % sizes[level, 1]
        place -= cells
    return -1, 0, 0


@njit(parallel=True, cache=True)
def read_windows(p2, p3, p4, p5, p6, index, sizes, num_anchors, out):
    """Fills out [B * S, C, 3, 3] with the cells around anchors int32 [B, S]; zeros beyond a map's edge."""
    slots = index.shape[1]
    for k in prange(index.size):
        picture = k // slots
        level, y, x = locate(index[picture, k % slots], sizes, num_anchors)
        maps = p2 if level == 0 else p3 if level == 1 else p4 if level == 2 else p5 if level == 3 else p6
        for c in range(out.shape[1]):
            for i in range(3):
                for j in range(3):
                    v, u = y + i - 1, x + j - 1
                    inside = 0 <= v < maps.shape[2] and 0 <= u < maps.shape[3]
                    out[k, c, i, j] = maps[picture, c, v, u] if inside else np.float32(0)


@njit(parallel=True, cache=True)
def add_windows(gradient, index, sizes, num_anchors, d2, d3, d4, d5, d6):
    """The transpose of `read_windows`: adds gradient [B * S, C, 3, 3] into d2 .. d6. Threads share channels out, so none meet."""
    slots = index.shape[1]
    for c in prange(gradient.shape[1]):
        for k in range(index.size):
            picture = k // slots
            level, y, x = locate(index[picture, k % slots], sizes, num_anchors)
            maps = d2 if level == 0 else d3 if level == 1 else d4 if level == 2 else d5 if level == 3 else d6
            for i in range(max(0, 1 - y), min(3, maps.shape[2] + 1 - y)):
                for j in range(max(0, 1 - x), min(3, maps.shape[3] + 1 - x)):
                    maps[picture, c, y + i - 1, x + j - 1] += gradient[k, c, i, j]


class Windows(nn.Cell):
    """(P2, ..., P6), anchors int32 [B, S] -> float32 [B * S, C, 3, 3]: each level's cells around the anchors' places."""

    def __init__(self, shapes, num_anchors):
        super().__init__()
        sizes = np.array(shapes, np.int64)

        def windows(p2, p3, p4, p5, p6, index):
            out = np.empty((index.size, p2.shape[1], 3, 3), np.float32)
            read_windows(p2, p3, p4, p5, p6, index, sizes, num_anchors, out)
            return out

        def windows_gradient(gradient, index):
            maps = [
                np.zeros((index.shape[0], gradient.shape[1], height, width), np.float32)
                for height, width in shapes
            ]
            add_windows(gradient, index, sizes, num_anchors, *maps)
            return tuple(maps)

        def shape(p2, p3, p4, p5, p6, index):
            return [index[0] * index[1], p2[1], 3, 3]

        def gradient_shape(gradient, index):
            return tuple([index[0], gradient[1], height, width] for height, width in shapes)

        self.forward_operator = custom_operator(windows, shape, lambda p2, *_: p2)
        self.backward_operator = custom_operator(
            windows_gradient, gradient_shape, lambda gradient, _: (gradient,) * len(shapes)
        )

    def construct(self, p2, p3, p4, p5, p6, index):
        return self.forward_operator(p2, p3, p4, p5, p6, index)

    def bprop(self, p2, p3, p4, p5, p6, index, out, dout):
        d2, d3, d4, d5, d6 = self.backward_operator(dout, index)
        return d2, d3, d4, d5, d6, ops.zeros_like(index)
