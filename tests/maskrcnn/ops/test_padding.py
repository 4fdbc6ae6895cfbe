"""Valid rows of padded arrays, and padding with zeros."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.ops import padding


@ms.jit
def rows_graph(valid):
    return padding.valid_rows(valid)


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        ([0, 1, 1, 0, 1], [1, 2, 4]),
        ([1, 0, 0, 0, 0], [0]),
        ([0, 0, 0, 0, 0], [0]),
        ([1] * 5, [0, 1, 2, 3, 4]),
    ],
)
def test_the_valid_rows_or_the_first_one(valid, expected):
    assert rows_graph(Tensor(np.array(valid, bool))).asnumpy().tolist() == expected


def test_padding_and_its_gradient_call_after_call(rng):
    """MindSpore's own pad had a gradient on the CPU that was wrong from the second call on."""
    x = rng.normal(0, 1, (2, 3, 4)).astype(np.float32)
    upstream = rng.normal(0, 1, (2, 6, 4)).astype(np.float32)
    want = np.pad(x, ((0, 0), (1, 2), (0, 0)))
    np.testing.assert_array_equal(padding.pad_zeros(Tensor(x), 1, 1, 2).asnumpy(), want)
    np.testing.assert_array_equal(padding.pad_zeros(Tensor(x), 1, 0, 0).asnumpy(), x)

    @ms.jit
    def gradient(x, upstream):
        return ms.grad(padded_sum)(x, upstream)

    for _ in range(3):
        np.testing.assert_array_equal(gradient(Tensor(x), Tensor(upstream)).asnumpy(), upstream[:, 1:4])


def padded_sum(x, upstream):
    return (padding.pad_zeros(x, 1, 1, 2) * upstream).sum()
