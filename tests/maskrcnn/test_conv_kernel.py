"""The convolutions' CPU kernel: the weight's gradient against a plain loop in float64, and the layer against MindSpore's own operator."""
from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.conv_kernel import has_matrix_product, weight_gradient
from src.maskrcnn.layers import Conv

pytestmark = pytest.mark.skipif(not has_matrix_product(), reason="MindSpore's oneDNN has no matrix product here")


def gradient_twin(x, gradient, kernel, stride, padding):
    """d/dW of sum(conv(x, W) * gradient), a window at a time."""
    x, gradient = np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (padding, padding), (padding, padding))), np.asarray(gradient, np.float64)
    height, width = gradient.shape[2:]
    out = np.zeros((gradient.shape[1], x.shape[1], kernel, kernel))
    for i in range(kernel):
        for j in range(kernel):
            out[:, :, i, j] = np.einsum("bohw,bchw->oc", gradient, x[:, :, i:i + stride * height:stride, j:j + stride * width:stride][:, :, :height, :width])
    return out


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "height", "width"), [(3, 1, 21, 12), (3, 2, 20, 13), (3, 2, 9, 16), (7, 2, 22, 14), (3, 1, 1, 1), (3, 1, 2, 40), (5, 3, 17, 23)])
def test_the_gradient_equals_a_plain_loop(rng, kernel, stride, height, width, threads):
    padding = (kernel - 1) // 2
    x = rng.normal(0, 1, (3, 5, height, width)).astype(np.float32)
    gradient = rng.normal(0, 1, (3, 6, (height - 1) // stride + 1, (width - 1) // stride + 1)).astype(np.float32)
    out = np.full((6, 5, kernel, kernel), np.nan, np.float32)
    weight_gradient(x, gradient, kernel, stride, padding, threads, out)
    want = gradient_twin(x, gradient, kernel, stride, padding)
    np.testing.assert_allclose(out, want, atol=1e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, True), (3, 2, False)])
def test_the_layer_equals_mindspores_own(rng, kernel, stride, bias):
    """Result and all gradients, twice: a gradient of MindSpore has been wrong from the second call on."""
    ours, theirs = (Conv(6, 8, kernel, stride, bias, cpu_kernel=own) for own in (True, False))
    assert ours.convolve is not None and theirs.convolve is None
    for parameter, other in zip(ours.trainable_params(), theirs.trainable_params()):
        other.set_data(Tensor(rng.normal(0, 1, parameter.shape).astype(np.float32)))
        parameter.set_data(other.value())

    def square(x):
        return (ours(x) ** 2).sum()

    def square_of_theirs(x):
        return (theirs(x) ** 2).sum()
    runs = [ms.value_and_grad(square, 0, ms.ParameterTuple(ours.trainable_params())),
            ms.value_and_grad(square_of_theirs, 0, ms.ParameterTuple(theirs.trainable_params()))]
    for _ in range(2):
        x = Tensor(rng.normal(0, 1, (2, 6, 19, 14)).astype(np.float32))
        (value, got), (want_value, want) = runs[0](x), runs[1](x)
        assert float(value) == pytest.approx(float(want_value), rel=1e-5)
        for a, b in zip((got[0], *got[1]), (want[0], *want[1])):
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-3)


def test_who_takes_the_kernel():
    assert Conv(4, 4, 1, cpu_kernel=True).convolve is None                                 # nothing to lay out
    assert Conv(4, 4, 3, dtype=ms.float16, cpu_kernel=True).convolve is None
    assert Conv(4, 4, 3).convolve is None
