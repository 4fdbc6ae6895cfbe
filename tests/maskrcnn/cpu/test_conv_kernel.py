"""The CPU kernels of convolutions against plain loops in float64, and the layer against MindSpore's."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.cpu import conv_kernel, onednn, winograd
from src.maskrcnn.layers import Conv

pytestmark = pytest.mark.skipif(not onednn.is_available(), reason="MindSpore brings no oneDNN 2.x here")


def windows(x, kernel, stride, padding, height, width):
    """float64 [B, C, k, k, height, width]: the window of x of every cell of the result."""
    x = np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = [
        np.stack(
            [
                x[:, :, i:, j:][:, :, : stride * height : stride, : stride * width : stride]
                for j in range(kernel)
            ],
            2,
        )
        for i in range(kernel)
    ]
    return np.stack(rows, 2)


def input_gradient_twin(weight, gradient, shape, stride, padding):
    """d/dx of sum(conv(x, W) * gradient), one cell of the result at a time."""
    out = np.zeros((shape[0], shape[1], shape[2] + 2 * padding, shape[3] + 2 * padding))
    kernel = weight.shape[2]
    for i in range(gradient.shape[2]):
        for j in range(gradient.shape[3]):
            out[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += np.einsum(
                "bo,ocyx->bcyx", gradient[:, :, i, j].astype(float), weight.astype(float)
            )
    return out[:, :, padding : padding + shape[2], padding : padding + shape[3]]


def close(got, want):
    np.testing.assert_allclose(got, want, atol=1e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize(("batch", "threads"), [(3, 1), (3, 2), (1, 3), (2, 5)])
@pytest.mark.parametrize(
    ("kernel", "stride", "height", "width"),
    [
        (3, 1, 21, 12),
        (3, 2, 20, 13),
        (3, 2, 9, 16),
        (7, 2, 22, 14),
        (3, 1, 1, 1),
        (3, 1, 2, 40),
        (5, 3, 17, 23),
    ],
)
@pytest.mark.parametrize(("channels", "outputs"), [(3, 40), (70, 5)])
def test_all_three_equal_plain_loops(rng, kernel, stride, height, width, batch, threads, channels, outputs):
    """Also with channels that are no multiple of oneDNN's block, and with more threads than images."""
    assert_plain_loops(rng, kernel, stride, height, width, batch, threads, channels, outputs)


@pytest.mark.parametrize(("batch", "threads", "tiles"), [(3, 1, 256), (3, 2, 20), (1, 3, 1), (2, 5, 9)])
@pytest.mark.parametrize(("height", "width"), [(21, 12), (14, 14), (1, 1), (2, 41), (3, 5)])
def test_winograd_equals_plain_loops(rng, monkeypatch, height, width, batch, threads, tiles):
    """Maps of odd and even sides; in one strip, in strips across images, and one tile row at a time."""
    monkeypatch.setattr(winograd, "uses_winograd", lambda *_: True)
    monkeypatch.setattr(winograd, "TILES_PER_STRIP", tiles)
    assert_plain_loops(rng, 3, 1, height, width, batch, threads, 20, 37)


def test_winograd_is_used_where_it_is_faster():
    assert winograd.uses_winograd((256, 256, 3, 3), 1, 1, 2 * 64 * 64)
    for weight, stride, padding, cells in (
        ((256, 256, 3, 3), 2, 1, 8192),
        ((256, 256, 5, 5), 1, 2, 8192),
        ((256, 256, 3, 3), 1, 0, 8192),
        ((64, 64, 3, 3), 1, 1, 8192),
        ((512, 512, 3, 3), 1, 1, 128),
    ):
        assert not winograd.uses_winograd(weight, stride, padding, cells)


def assert_plain_loops(rng, kernel, stride, height, width, batch, threads, channels, outputs):
    padding = (kernel - 1) // 2
    x = rng.normal(0, 1, (batch, channels, height, width)).astype(np.float32)
    bias = rng.normal(0, 1, outputs).astype(np.float32)
    weight = rng.normal(0, 1, (outputs, channels, kernel, kernel)).astype(np.float32)
    y = conv_kernel.forward(x, weight, bias, stride, padding, threads)
    assert y.shape == (batch, outputs, (height - 1) // stride + 1, (width - 1) // stride + 1)
    seen = windows(x, kernel, stride, padding, *y.shape[2:])
    close(y, np.einsum("bcijhw,ocij->bohw", seen, weight.astype(float), optimize=True) + bias[:, None, None])
    gradient = rng.normal(0, 1, y.shape).astype(np.float32)
    close(
        conv_kernel.weight_gradient(x, gradient, kernel, stride, padding, threads),
        np.einsum("bcijhw,bohw->ocij", seen, gradient.astype(float), optimize=True),
    )
    close(
        conv_kernel.input_gradient(weight, gradient, height, width, stride, padding, threads),
        input_gradient_twin(weight, gradient, x.shape, stride, padding),
    )


def test_threads_do_not_disturb_each_other(rng):
    """A thread once used the scratch memory of another.

    Large maps follow small ones; the primitives are created in one thread and run in others.
    """
    want = {}
    first = {}
    for channels, side in ((16, 8), (64, 64), (128, 32), (256, 16), (64, 80)):
        x, gradient = (rng.normal(0, 1, (4, channels, side, side)).astype(np.float32) for _ in range(2))
        weight = rng.normal(0, 1, (channels, channels, 3, 3)).astype(np.float32)
        zeros = np.zeros(channels, np.float32)

        def work(threads, x=x, gradient=gradient, weight=weight, zeros=zeros, side=side):
            return (
                conv_kernel.forward(x, weight, zeros, 1, 1, threads),
                conv_kernel.weight_gradient(x, gradient, 3, 1, 1, threads),
                conv_kernel.input_gradient(weight, gradient, side, side, 1, 1, threads),
            )

        want[work] = work(1)
    for _ in range(4):
        for work, alone in want.items():
            got = work(4)
            for a, b, c in zip(got, alone, first.setdefault(work, got)):
                np.testing.assert_array_equal(a, c)
                close(a, b)  # Winograd's sums round differently with other numbers of threads
                if a.shape[1] < 128:
                    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("batch", "channels", "threads", "jobs"),
    [(2, 256, 2, 2), (1, 256, 2, 2), (2, 256, 5, 6), (1, 20, 8, 1), (1, 40, 8, 2), (16, 64, 4, 16)],
)
def test_every_channel_of_every_image_is_in_one_job(batch, channels, threads, jobs):
    found = conv_kernel.split_jobs(batch, channels, threads)
    assert len(found) == jobs
    assert sorted((n, c) for n, low, high in found for c in range(low, high)) == [
        (n, c) for n in range(batch) for c in range(channels)
    ]


def test_threads_that_ask_together_for_the_first_time_get_one_object():
    """Objects of two different engines would not work together."""
    created = []
    start = threading.Barrier(8)

    @onednn.compute_once
    def make():
        time.sleep(0.05)
        created.append(object())
        return created[-1]

    def ask(_):
        start.wait()
        return make()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == set(created) and len(created) == 1


def test_what_oneDNN_refuses_is_an_error():
    with pytest.raises(RuntimeError, match="dnnl_convolution_forward_desc_init"):
        onednn.convolution("forward", (1, 4, 8, 8), (6, 5, 3, 3), (1, 6, 8, 8), 1, 1)


@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, True), (3, 2, False)])
def test_the_layer_equals_mindspores_operator(rng, kernel, stride, bias):
    """Result and all gradients, twice: a gradient of MindSpore was once wrong from the second call on."""
    ours, theirs = (Conv(6, 8, kernel, stride, bias, cpu_kernel=own) for own in (True, False))
    assert ours.kernel_convolution is not None and theirs.kernel_convolution is None
    for parameter, other in zip(ours.trainable_params(), theirs.trainable_params()):
        other.set_data(Tensor(rng.normal(0, 1, parameter.shape).astype(np.float32)))
        parameter.set_data(other.value())

    def square(x):
        return (ours(x) ** 2).sum()

    def square_of_theirs(x):
        return (theirs(x) ** 2).sum()

    runs = [
        ms.value_and_grad(square, 0, ms.ParameterTuple(ours.trainable_params())),
        ms.value_and_grad(square_of_theirs, 0, ms.ParameterTuple(theirs.trainable_params())),
    ]
    for _ in range(2):
        x = Tensor(rng.normal(0, 1, (2, 6, 19, 14)).astype(np.float32))
        value, got = runs[0](x)
        want_value, want = runs[1](x)
        assert float(value) == pytest.approx(float(want_value), rel=1e-5)
        for a, b in zip((got[0], *got[1]), (want[0], *want[1])):
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-3)


def test_which_layers_use_the_kernel():
    assert Conv(4, 4, 1, cpu_kernel=True).kernel_convolution is None  # just a matrix product
    assert Conv(4, 4, 3, dtype=ms.float16, cpu_kernel=True).kernel_convolution is None
    assert Conv(4, 4, 3).kernel_convolution is None
