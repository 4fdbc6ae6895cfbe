"""Gathering by index."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from src.maskrcnn.ops.gather import select_column


def test_selecting_a_class(rng):
    values = rng.normal(0, 1, (6, 9, 4)).astype(np.float32)
    classes = rng.integers(0, 9, 6).astype(np.int32)
    got = select_column(Tensor(values), Tensor(classes)).asnumpy()
    np.testing.assert_array_equal(got, values[np.arange(6), classes])
