"""Working on the real rows of padded arrays only.

On Ascend every shape is static: padding is computed and weighted with zero. On the CPU graphs take shapes that depend on the data, and
the cost of a head is proportional to its rows, so padding is dropped. A row always remains: zero rows give NaN or an error in
MindSpore's reductions and scatters.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import ops


def real_rows(valid):
    """int32 [R], R >= 1: the indices of the true entries of bool [N], or 0 where there is none."""
    first = ops.arange(0, valid.shape[0]) == 0
    keep = ops.logical_or(valid, ops.logical_and(first, ops.logical_not(valid.any())))
    return ops.nonzero(keep)[:, 0].astype(ms.int32)


def real_columns(valid):
    """int32 [C], C >= 1: the columns of bool [B, N] in which any row is true, or 0 where there is none."""
    return real_rows(valid.any(0))
