"""Convolutions, norms and what is folded into what, against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.maskrcnn.layers import (
    NORMS,
    BatchNorm,
    Conv,
    Dense,
    FrozenNorm,
    GroupNorm,
    SyncBatchNorm,
    conv_norm,
    pad_zeros,
)
from tests.maskrcnn import twins


class ConvNorm(nn.Cell):
    """A convolution and its norm with drawn weights, as the backbone has them."""

    def __init__(self, norm, rng, stride=1):
        super().__init__()
        self.conv, self.norm = Conv(6, 8, 3, stride, bias=False), norm
        for parameter in self.get_parameters():
            low = 0.5 if parameter.name.endswith(("variance", "gamma")) else -1
            parameter.set_data(Tensor(rng.uniform(low, 1.5, parameter.shape).astype(np.float32)))

    def construct(self, x):
        return conv_norm(self.conv, self.norm, x)

    def values(self):
        return self.conv.weight.asnumpy(), {
            name: getattr(self.norm, name).asnumpy().astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
            if hasattr(self.norm, name)
        }


def batch_norm(y, mean, variance, gamma, beta, eps):
    shape = (1, -1, 1, 1)
    return (y - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps) * gamma.reshape(
        shape
    ) + beta.reshape(shape)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_convolution(rng, kernel, stride):
    conv = Conv(3, 5, kernel, stride)
    conv.bias.set_data(Tensor(rng.normal(0, 1, 5).astype(np.float32)))
    x = rng.normal(0, 1, (2, 3, 12, 16)).astype(np.float32)
    want = twins.convolution(x, conv.weight.asnumpy(), conv.bias.asnumpy(), stride)
    assert want.shape == (2, 5, 12 // stride, 16 // stride)
    np.testing.assert_allclose(conv(Tensor(x)).asnumpy(), want, atol=1e-4)


def test_dense(rng):
    dense = Dense(7, 5)
    dense.bias.set_data(Tensor(rng.normal(0, 1, 5).astype(np.float32)))
    x = rng.normal(0, 1, (4, 7)).astype(np.float32)
    np.testing.assert_allclose(
        dense(Tensor(x)).asnumpy(), x @ dense.weight.asnumpy().T + dense.bias.asnumpy(), atol=1e-5
    )


@pytest.mark.parametrize("eps", [1e-5, 0.0])
def test_a_frozen_norm_is_folded_and_the_gradient_reaches_the_raw_weight(rng, eps):
    cell = ConvNorm(FrozenNorm(8, eps), rng).set_train(True)
    x, upstream = (
        rng.normal(0, 1, (2, 6, 9, 7)).astype(np.float32),
        rng.normal(0, 1, (2, 8, 9, 7)).astype(np.float32),
    )
    weight, norm = cell.values()
    want = batch_norm(
        twins.convolution(x, weight),
        norm["moving_mean"],
        norm["moving_variance"],
        norm["gamma"],
        norm["beta"],
        eps,
    )
    np.testing.assert_allclose(cell(Tensor(x)).asnumpy(), want, atol=1e-4)
    assert [parameter.name for parameter in cell.trainable_params()] == ["conv.weight"]

    def total(x, upstream):
        return (cell(x) * upstream).sum()

    gradient = ms.grad(total, None, cell.trainable_params())(Tensor(x), Tensor(upstream))[0].asnumpy()
    scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + eps)
    padded, scaled = (
        np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.float64),
        upstream * scale.reshape(1, -1, 1, 1),
    )
    windows = np.stack(
        [np.stack([padded[:, :, i : i + 9, j : j + 7] for j in range(3)], -1) for i in range(3)], -2
    )
    np.testing.assert_allclose(
        gradient, np.einsum("bohw,bchwij->ocij", scaled, windows), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("kind", ["bn", "sync_bn"])
def test_batch_norm_in_training_and_in_inference(rng, kind):
    """The batch's own statistics in training, which the moving ones follow with a tenth; the moving ones, folded, in inference."""
    cell = ConvNorm(NORMS[kind](8, 1e-5), rng)
    x = rng.normal(1, 2, (3, 6, 10, 8)).astype(np.float32)
    weight, norm = cell.values()
    y = twins.convolution(x, weight)
    mean, variance, count = y.mean((0, 2, 3)), y.var((0, 2, 3)), y[:, 0].size
    want = batch_norm(y, norm["moving_mean"], norm["moving_variance"], norm["gamma"], norm["beta"], 1e-5)
    np.testing.assert_allclose(cell.set_train(False)(Tensor(x)).asnumpy(), want, rtol=1e-3, atol=1e-3)
    want = batch_norm(y, mean, variance, norm["gamma"], norm["beta"], 1e-5)
    np.testing.assert_allclose(cell.set_train(True)(Tensor(x)).asnumpy(), want, rtol=1e-3, atol=1e-3)
    after = cell.values()[1]
    np.testing.assert_allclose(
        after["moving_mean"], 0.9 * norm["moving_mean"] + 0.1 * mean, rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(
        after["moving_variance"],
        0.9 * norm["moving_variance"] + 0.1 * variance * count / (count - 1),
        rtol=1e-3,
    )


@pytest.mark.parametrize(
    ("channels", "groups"), [(256, 32), (64, 16), (32, 8), (8, 2), (12, 2), (6, 1), (5, 1)]
)
def test_group_norm(rng, channels, groups):
    norm = GroupNorm(channels, 1e-5)
    assert norm.groups == groups
    for parameter in norm.get_parameters():
        parameter.set_data(Tensor(rng.uniform(0.5, 1.5, channels).astype(np.float32)))
    x = rng.normal(3, 2, (2, channels, 4, 5)).astype(np.float32)
    want = twins.group_norm(x, groups, norm.gamma.asnumpy(), norm.beta.asnumpy())
    np.testing.assert_allclose(norm(Tensor(x)).asnumpy(), want, atol=1e-4)


@pytest.mark.parametrize("norm", [GroupNorm, SyncBatchNorm])
def test_norms_in_float16(rng, norm):
    """amp_level=O3: the same to float16's three digits, from and to float16 maps."""
    cells = [norm(16, 1e-5).set_train(True) for _ in range(2)]
    cells[1].wide = ms.float16
    x = Tensor(rng.normal(1, 2, (2, 16, 4, 5)).astype(np.float16))
    want, found = (cell(x) for cell in cells)
    assert found.dtype == ms.float16
    np.testing.assert_allclose(found.asnumpy(), want.asnumpy(), atol=5e-3)


def test_what_each_norm_trains():
    trained = {
        kind: sorted(parameter.name for parameter in norm(8, 1e-5).trainable_params())
        for kind, norm in NORMS.items()
    }
    assert trained == {
        "frozen": [],
        "bn": ["beta", "gamma"],
        "sync_bn": ["beta", "gamma"],
        "gn": ["beta", "gamma"],
    }
    assert sum(parameter.size for parameter in BatchNorm(8, 1e-5).get_parameters()) == 32


def test_padding_and_its_gradient_call_after_call(rng):
    """MindSpore's own pad had a gradient on the CPU that was wrong from the second call on."""
    x, upstream = (
        rng.normal(0, 1, (2, 3, 4)).astype(np.float32),
        rng.normal(0, 1, (2, 6, 4)).astype(np.float32),
    )
    np.testing.assert_array_equal(
        pad_zeros(Tensor(x), 1, 1, 2).asnumpy(), np.pad(x, ((0, 0), (1, 2), (0, 0)))
    )
    np.testing.assert_array_equal(pad_zeros(Tensor(x), 1, 0, 0).asnumpy(), x)

    @ms.jit
    def gradient(x, upstream):
        return ms.grad(padded_sum)(x, upstream)

    for _ in range(3):
        np.testing.assert_array_equal(gradient(Tensor(x), Tensor(upstream)).asnumpy(), upstream[:, 1:4])


def padded_sum(x, upstream):
    return (pad_zeros(x, 1, 1, 2) * upstream).sum()
