"""Gather values by index, one image or one row at a time."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops
from mindspore.ops.auto_generate.gen_ops_prim import SplitWithSize

# (array, lengths, axis) -> its parts, by one operator; `ops.split` of different lengths is one for each part.
# CANN's graph engine (jit_level O2, AIR files) has no counterpart of it.
split_with_size = SplitWithSize()


def gather_boxes(boxes, index):
    """Boxes [B, N, 4] at index int32 [B, M] of each image: [B, M, 4]."""
    return ops.gather(boxes, index, 1, 1)


def gather_deltas(deltas, index):
    """The same for deltas [B, N, 4] that have a gradient.

    The gradient of `ops.gather` with a batch axis would be computed by many more operators.
    """
    return ops.gather_elements(deltas, 1, index.expand_dims(-1).tile((1, 1, 4)))


def select_column(values, columns):
    """values [R, C, K] at the columns int32 [R], one for each row: [R, K]."""
    rows = ops.arange(0, columns.shape[0]).astype(ms.int32)
    return ops.gather(values.reshape(-1, values.shape[-1]), rows * values.shape[1] + columns, 0)
