"""Leaving padding out."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.ops import padding as rows


@ms.jit
def rows_graph(valid):
    return rows.real_rows(valid)


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ([0, 1, 1, 0, 1], [1, 2, 4]),
        ([1, 0, 0, 0, 0], [0]),
        ([0, 0, 0, 0, 0], [0]),
        ([1] * 5, [0, 1, 2, 3, 4]),
    ],
)
def test_the_real_rows_or_the_first_one(valid, expected):
    assert rows_graph(Tensor(np.array(valid, bool))).asnumpy().tolist() == expected
