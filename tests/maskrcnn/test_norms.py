"""The norms, and a norm folded into its convolution, against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.maskrcnn.layers import Conv
from src.maskrcnn.norms import (
    NORMS,
    BatchNorm,
    FrozenNorm,
    GroupNorm,
    SyncBatchNorm,
    compose_group_norms,
    conv_norm,
)
from tests.maskrcnn import twins


class ConvNorm(nn.Cell):
    """A convolution and its norm with drawn weights, as the backbone has them."""

    def __init__(self, norm, rng, stride=1):
        super().__init__()
        self.conv = Conv(6, 8, 3, stride, bias=False)
        self.norm = norm
        for parameter in self.get_parameters():
            low = 0.5 if parameter.name.endswith(("variance", "gamma")) else -1
            parameter.set_data(Tensor(rng.uniform(low, 1.5, parameter.shape).astype(np.float32)))

    def construct(self, x):
        return conv_norm(self.conv, self.norm, x)

    def values(self):
        """(weight, {name: array} of the norm)."""
        return self.conv.weight.asnumpy(), {
            name: getattr(self.norm, name).asnumpy().astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
            if hasattr(self.norm, name)
        }


def batch_norm(y, mean, variance, gamma, beta, eps):
    mean, variance, gamma, beta = (array.reshape(1, -1, 1, 1) for array in (mean, variance, gamma, beta))
    return (y - mean) / np.sqrt(variance + eps) * gamma + beta


def batch_norm_by_moving_statistics(y, norm, eps):
    return batch_norm(y, norm["moving_mean"], norm["moving_variance"], norm["gamma"], norm["beta"], eps)


@pytest.mark.parametrize("eps", [1e-5, 0.0])
def test_a_frozen_norm_is_folded_and_the_gradient_reaches_the_raw_weight(rng, eps):
    cell = ConvNorm(FrozenNorm(8, eps), rng).set_train(True)
    x = rng.normal(0, 1, (2, 6, 9, 7)).astype(np.float32)
    upstream = rng.normal(0, 1, (2, 8, 9, 7)).astype(np.float32)
    weight, norm = cell.values()
    want = batch_norm_by_moving_statistics(twins.convolution(x, weight), norm, eps)
    np.testing.assert_allclose(cell(Tensor(x)).asnumpy(), want, atol=1e-4)
    assert [parameter.name for parameter in cell.trainable_params()] == ["conv.weight"]

    def total(x, upstream):
        return (cell(x) * upstream).sum()

    gradient = ms.grad(total, None, cell.trainable_params())(Tensor(x), Tensor(upstream))[0].asnumpy()
    scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + eps)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.float64)
    scaled = upstream * scale.reshape(1, -1, 1, 1)
    windows = np.stack(
        [np.stack([padded[:, :, i : i + 9, j : j + 7] for j in range(3)], -1) for i in range(3)], -2
    )
    np.testing.assert_allclose(
        gradient, np.einsum("bohw,bchwij->ocij", scaled, windows), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("kind", ["bn", "sync_bn"])
def test_batch_norm_in_training_and_in_inference(rng, kind):
    """Training uses the batch's statistics and moves the stored ones by a tenth; inference uses those."""
    cell = ConvNorm(NORMS[kind](8, 1e-5), rng)
    x = rng.normal(1, 2, (3, 6, 10, 8)).astype(np.float32)
    weight, norm = cell.values()
    y = twins.convolution(x, weight)
    mean = y.mean((0, 2, 3))
    variance = y.var((0, 2, 3))
    count = y[:, 0].size
    want = batch_norm_by_moving_statistics(y, norm, 1e-5)
    np.testing.assert_allclose(cell.set_train(False)(Tensor(x)).asnumpy(), want, rtol=1e-3, atol=1e-3)
    want = batch_norm(y, mean, variance, norm["gamma"], norm["beta"], 1e-5)
    np.testing.assert_allclose(cell.set_train(True)(Tensor(x)).asnumpy(), want, rtol=1e-3, atol=1e-3)
    after = cell.values()[1]
    want = 0.9 * norm["moving_mean"] + 0.1 * mean
    np.testing.assert_allclose(after["moving_mean"], want, rtol=1e-3, atol=1e-4)
    want = 0.9 * norm["moving_variance"] + 0.1 * variance * count / (count - 1)
    np.testing.assert_allclose(after["moving_variance"], want, rtol=1e-3)


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


@pytest.mark.parametrize("form", ["kernel", "composed"])
@pytest.mark.parametrize("shape", [(2, 24, 17, 9), (3, 8, 1, 1), (1, 96, 40, 3)])
def test_other_forms_of_group_norm_and_their_gradients(rng, shape, form):
    """Against the definition in float64, and the gradients of x against differences of it."""
    channels = shape[1]
    norm = GroupNorm(channels, 1e-5, kernel=form == "kernel")
    if form == "composed":
        compose_group_norms(norm)
    for parameter in norm.get_parameters():
        parameter.set_data(Tensor(rng.uniform(0.5, 1.5, channels).astype(np.float32)))
    gamma, beta = norm.gamma.asnumpy(), norm.beta.asnumpy()
    x = rng.normal(3, 2, shape).astype(np.float32)
    upstream = rng.normal(0, 1, shape).astype(np.float32)

    def total(x, upstream):
        return (norm(x) * upstream).sum()

    want = twins.group_norm(x.astype(np.float64), norm.groups, gamma, beta)
    np.testing.assert_allclose(norm(Tensor(x)).asnumpy(), want, atol=1e-4)
    function = ms.jit(ms.value_and_grad(total, 0, norm.trainable_params()))
    _, (of_x, of_parameters) = function(Tensor(x), Tensor(upstream))
    step = rng.normal(0, 1, shape)
    moved = [
        twins.group_norm(x + sign * 1e-4 * step, norm.groups, gamma, beta) * upstream for sign in (1, -1)
    ]
    slope = (moved[0] - moved[1]).sum() / 2e-4
    np.testing.assert_allclose((of_x.asnumpy() * step).sum(), slope, rtol=1e-3, atol=1e-3)
    without = twins.group_norm(x.astype(np.float64), norm.groups, np.ones(channels), np.zeros(channels))
    names = [parameter.name for parameter in norm.trainable_params()]
    gradients = dict(zip(names, (gradient.asnumpy() for gradient in of_parameters)))
    np.testing.assert_allclose(gradients["gamma"], (upstream * without).sum((0, 2, 3)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gradients["beta"], upstream.sum((0, 2, 3)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("norm", [GroupNorm, SyncBatchNorm])
def test_norms_in_float16(rng, norm):
    """amp_level=O3: from and to float16 maps the same, to the three digits of float16."""
    cells = [norm(16, 1e-5).set_train(True) for _ in range(2)]
    cells[1].map_dtype = ms.float16
    x = Tensor(rng.normal(1, 2, (2, 16, 4, 5)).astype(np.float16))
    want, got = (cell(x) for cell in cells)
    assert got.dtype == ms.float16
    np.testing.assert_allclose(got.asnumpy(), want.asnumpy(), atol=5e-3)


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
