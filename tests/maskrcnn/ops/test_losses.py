"""The pointwise losses against float64."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mindspore import Tensor

from src.maskrcnn.ops.losses import cross_entropy, sigmoid_cross_entropy, smooth_l1
from tests.maskrcnn import twins


@ms.jit
def sigmoid_graph(logits, targets):
    return sigmoid_cross_entropy(logits, targets)


def sigmoid_sum(logits, targets):
    return sigmoid_cross_entropy(logits, targets).sum()


def smooth_sum(error):
    return smooth_l1(error, 1 / 9).sum()


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, 12, elements=st.floats(-200, 200, width=32)),
    arrays(np.float32, 12, elements=st.sampled_from([0.0, 1.0, 0.25])),
)
def test_sigmoid_cross_entropy(logits, targets):
    got = sigmoid_graph(Tensor(logits), Tensor(targets)).asnumpy()
    np.testing.assert_allclose(got, twins.sigmoid_cross_entropy(logits, targets), rtol=1e-5, atol=1e-6)


def test_sigmoid_cross_entropy_at_0_is_ln_2():
    got = sigmoid_graph(Tensor(np.zeros(12, np.float32)), Tensor(np.ones(12, np.float32))).asnumpy()
    assert got == pytest.approx(math.log(2))


def test_its_gradient_is_probability_less_target_however_large_the_logit():
    logits = np.array([-1e4, -30, -1, 0, 1, 30, 1e4], np.float32)
    targets = np.array([1, 0, 1, 0, 0, 1, 0], np.float32)
    gradient = ms.grad(sigmoid_sum)(Tensor(logits), Tensor(targets)).asnumpy()
    np.testing.assert_allclose(gradient, twins.sigmoid(logits) - targets, atol=1e-6)


@pytest.mark.parametrize("beta", [1 / 9, 1.0, 0])
def test_smooth_l1(beta):
    error = np.linspace(-3, 3, 61).astype(np.float32)
    got = smooth_l1(Tensor(error), beta).asnumpy()
    np.testing.assert_allclose(got, twins.smooth_l1(error, beta), rtol=1e-5, atol=1e-6)


def test_smooth_l1_is_a_line_from_beta_on():
    error = np.array([-5, -0.2, -0.05, 0, 0.05, 0.2, 5], np.float32)
    gradient = ms.grad(smooth_sum)(Tensor(error)).asnumpy()
    np.testing.assert_allclose(gradient, [-1, -1, -0.45, 0, 0.45, 1, 1], atol=1e-6)


@pytest.mark.parametrize("scale", [1, 1000])
def test_cross_entropy(rng, scale):
    logits = rng.normal(0, scale, (20, 7)).astype(np.float32)
    labels = rng.integers(0, 7, 20).astype(np.int32)
    got = cross_entropy(Tensor(logits), Tensor(labels)).asnumpy()
    np.testing.assert_allclose(got, twins.cross_entropy(logits, labels), rtol=1e-4, atol=1e-4 * scale)


def test_losses_of_half_precision_logits_are_float32():
    half = Tensor(np.array([[20.0, -20, 3]], np.float16))
    assert cross_entropy(half, Tensor(np.array([1], np.int32))).dtype == ms.float32
    assert sigmoid_cross_entropy(half, Tensor(np.zeros((1, 3), np.float32))).dtype == ms.float32
