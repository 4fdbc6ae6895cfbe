"""Compute only the valid rows of padded arrays.

On Ascend every shape is static: padding is computed too, and gets a weight of zero. On the CPU a graph can
have shapes that depend on the data, and the time of a head is proportional to its rows, so padding is left
out.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import ops


def valid_rows(valid):
    """int32 [R]: the indices of the true entries of bool [N], or the index 0 if there is none.

    There is always a row, because MindSpore's reductions and scatters give NaN or an error for none.
    """
    is_first = ops.arange(0, valid.shape[0]) == 0
    keep = ops.logical_or(valid, ops.logical_and(is_first, ops.logical_not(valid.any())))
    return ops.nonzero(keep)[:, 0].astype(ms.int32)


def take_rows(rows, arrays):
    """A tuple of the rows int32 [R] of each of the arrays [N, ...]: [R, ...]."""
    taken = ()
    for array in arrays:
        taken += (ops.gather(array, rows, 0),)
    return taken


def pad_zeros(x, axis, before, after):
    """x with zeros before and after it along `axis`.

    `ops.pad` must not be used where gradients flow: its gradient on the CPU is wrong from the second call on
    (MindSpore 2.8).
    """
    parts = zeros_along(x, axis, before) + (x,) + zeros_along(x, axis, after)
    return ops.concat(parts, axis) if len(parts) > 1 else x


def zeros_along(x, axis, count):
    """A tuple of zeros of x's shape but for `count` along `axis`; an empty tuple if `count` is 0."""
    if count == 0:
        return ()
    return (ops.zeros(x.shape[:axis] + (count,) + x.shape[axis + 1 :], x.dtype),)
