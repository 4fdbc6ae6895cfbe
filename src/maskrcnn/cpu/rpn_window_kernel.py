"""The 3x3 windows of the feature maps around sampled anchors, for the RPN's losses on the CPU.

The RPN's losses use some 256 of a picture's 245,520 anchors. So the head is computed once more at their
windows alone, and the gradients are taken there. This saves the gradients of the head's convolution over
whole maps, a fifth of a training step. The kernels are compiled by Numba and called as custom operators.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn, ops
from numba import njit, prange

from .custom_operator import custom_operator


@njit(cache=True)
def locate_anchor(anchor, sizes, num_anchors):
    """(level, y, x) of the cell of an anchor.

    Args:
        anchor: index in the order level, y, x, anchor.
        sizes: int64 [L, 2], height and width of each level.
        num_anchors: anchors a cell.
    """
    cell = anchor // num_anchors
    for level in range(len(sizes)):
        num_cells = sizes[level, 0] * sizes[level, 1]
        if cell < num_cells:
            return level, cell // sizes[level, 1], cell % sizes[level, 1]
        cell -= num_cells
    return -1, 0, 0


@njit(parallel=True, cache=True)
def gather_windows(p2, p3, p4, p5, p6, index, sizes, num_anchors, out):
    """Fill out [B * S, C, 3, 3] with the cells around anchors index int32 [B, S]; zeros outside a map."""
    slots = index.shape[1]
    for k in prange(index.size):
        image = k // slots
        level, y, x = locate_anchor(index[image, k % slots], sizes, num_anchors)
        maps = p2 if level == 0 else p3 if level == 1 else p4 if level == 2 else p5 if level == 3 else p6
        for c in range(out.shape[1]):
            for i in range(3):
                for j in range(3):
                    v = y + i - 1
                    u = x + j - 1
                    inside = 0 <= v < maps.shape[2] and 0 <= u < maps.shape[3]
                    out[k, c, i, j] = maps[image, c, v, u] if inside else np.float32(0)


@njit(parallel=True, cache=True)
def scatter_add_windows(gradient, index, sizes, num_anchors, d2, d3, d4, d5, d6):
    """The gradient of `gather_windows`: adds gradient [B * S, C, 3, 3] to the maps d2 .. d6.

    Each thread has channels of its own, so that no two threads add to the same cell.
    """
    slots = index.shape[1]
    for c in prange(gradient.shape[1]):
        for k in range(index.size):
            image = k // slots
            level, y, x = locate_anchor(index[image, k % slots], sizes, num_anchors)
            maps = d2 if level == 0 else d3 if level == 1 else d4 if level == 2 else d5 if level == 3 else d6
            for i in range(max(0, 1 - y), min(3, maps.shape[2] + 1 - y)):
                for j in range(max(0, 1 - x), min(3, maps.shape[3] + 1 - x)):
                    maps[image, c, y + i - 1, x + j - 1] += gradient[k, c, i, j]


class AnchorWindows(nn.Cell):
    """(P2, ..., P6), anchors int32 [B, S] -> float32 [B * S, C, 3, 3]: the cells around each anchor's cell.

    Args:
        shapes: (height, width) of each of the five levels.
        num_anchors: anchors a cell.
    """

    def __init__(self, shapes, num_anchors: int):
        super().__init__()
        sizes = np.array(shapes, np.int64)

        def windows(p2, p3, p4, p5, p6, index):
            out = np.empty((index.size, p2.shape[1], 3, 3), np.float32)
            gather_windows(p2, p3, p4, p5, p6, index, sizes, num_anchors, out)
            return out

        def windows_gradient(gradient, index):
            maps = [
                np.zeros((index.shape[0], gradient.shape[1], height, width), np.float32)
                for height, width in shapes
            ]
            scatter_add_windows(gradient, index, sizes, num_anchors, *maps)
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
