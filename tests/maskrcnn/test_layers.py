"""Convolutions and fully connected layers against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.layers import Conv, Dense
from tests.maskrcnn import twins


@pytest.mark.parametrize(("kernel_size", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_convolution(rng, kernel_size, stride):
    conv = Conv(3, 5, kernel_size, stride)
    conv.bias.set_data(Tensor(rng.normal(0, 1, 5).astype(np.float32)))
    x = rng.normal(0, 1, (2, 3, 12, 16)).astype(np.float32)
    want = twins.convolution(x, conv.weight.asnumpy(), conv.bias.asnumpy(), stride)
    assert want.shape == (2, 5, 12 // stride, 16 // stride)
    np.testing.assert_allclose(conv(Tensor(x)).asnumpy(), want, atol=1e-4)


def test_dense(rng):
    dense = Dense(7, 5)
    dense.bias.set_data(Tensor(rng.normal(0, 1, 5).astype(np.float32)))
    x = rng.normal(0, 1, (4, 7)).astype(np.float32)
    want = x @ dense.weight.asnumpy().T + dense.bias.asnumpy()
    np.testing.assert_allclose(dense(Tensor(x)).asnumpy(), want, atol=1e-5)
