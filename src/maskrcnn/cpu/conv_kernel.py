"""Convolutions on the CPU in oneDNN's own layouts (`onednn.py`), shared out over threads, inside the graph as custom operators.

Those of 3x3 on large maps of many channels take Winograd's way (`winograd.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from . import winograd
from .custom_operator import custom_operator
from .onednn import convolution, once

BLOCK = 16  # channels that oneDNN computes together with AVX-512


@once
def workers(threads):
    """The threads that compute, always the same ones: each keeps blocks of memory (`onednn.py`)."""
    return ThreadPoolExecutor(threads, "convolution")


def shares(pictures, channels, threads):
    """(picture, first channel, end) of as many jobs as keep `threads` busy: whole pictures, or parts of their channels where those are few."""
    parts = max(1, min(channels // BLOCK, -(-threads // pictures)))
    cuts = [channels * part // parts // BLOCK * BLOCK for part in range(parts)] + [channels]
    return [(picture, low, high) for picture in range(pictures) for low, high in zip(cuts, cuts[1:])]


def result_side(side, kernel, stride, padding):
    """The height or width of what a convolution makes of a map's."""
    return (side + 2 * padding - kernel) // stride + 1


def cells(maps):
    return maps.shape[0] * maps.shape[2] * maps.shape[3]


def in_threads(job, jobs, threads):
    for done in [workers(threads).submit(job, *words) for words in jobs]:
        done.result()


def in_parts(job, count, threads):
    """job(first, end) of equal parts of `count` things, a thread each."""
    in_threads(job, winograd.equal_parts(0, count, threads), threads)


def convolved_in_tiles(mix, weight, x, bias, threads):
    """float32 [B, O, H, W]: x [B, C, H, W] convolved by Winograd's way, with the weight that `mix` makes of `weight`, and bias [O]."""
    mixed, y = (
        np.empty((16, len(bias), x.shape[1]), np.float32),
        np.empty((len(x), len(bias), *x.shape[2:]), np.float32),
    )
    in_parts(lambda low, high: mix(weight, low, high, mixed), len(bias), threads)
    in_parts(lambda low, high: winograd.forward(x, mixed, bias, y, low, high), winograd.rows_of(x), threads)
    return y


def weight_gradient_in_tiles(x, gradient, threads):
    """float32 gradient of the weight [O, C, 3, 3] by Winograd's way, given x [B, C, H, W] and that of y [B, O, H, W]."""
    weight, parts = np.empty((gradient.shape[1], x.shape[1], 3, 3), np.float32), {}

    def sums(low, high):
        parts[low] = np.zeros((16, *weight.shape[:2]), np.float32)
        winograd.weight_gradient(x, gradient, low, high, parts[low])

    in_parts(sums, winograd.rows_of(x), threads)
    whole, *others = (parts[low] for low in sorted(parts))  # in the same order always
    for part in others:
        whole += part
    in_parts(lambda low, high: winograd.weight_of(whole, low, high, weight), len(weight), threads)
    return weight


def forward(x, weight, bias, stride, padding, threads):
    """float32 y [B, O, H', W'] of x [B, C, H, W], weight [O, C, k, k], bias [O]."""
    if winograd.worth(weight.shape, stride, padding, cells(x)):
        return convolved_in_tiles(winograd.mix_weight, weight, x, bias, threads)
    height, width = (result_side(side, weight.shape[2], stride, padding) for side in x.shape[2:])
    y = np.empty((x.shape[0], weight.shape[0], height, width), np.float32)

    def job(n, low, high):
        part = y[n : n + 1, low:high]
        kind = convolution("forward", (1, *x.shape[1:]), weight[low:high].shape, part.shape, stride, padding)
        kind.run(x[n : n + 1], weight[low:high], part, bias[low:high])

    in_threads(job, shares(x.shape[0], weight.shape[0], threads), threads)
    return y


def input_gradient(weight, gradient, height, width, stride, padding, threads):
    """float32 gradient of x [B, C, height, width], given that of y [B, O, H', W']."""
    if winograd.worth(weight.shape, stride, padding, cells(gradient)):
        return convolved_in_tiles(
            winograd.mix_turned_weight, weight, gradient, np.zeros(weight.shape[1], np.float32), threads
        )
    x = np.empty((gradient.shape[0], weight.shape[1], height, width), np.float32)

    def job(n, low, high):
        part, whole = x[n : n + 1, low:high], gradient[n : n + 1]
        convolution("input", part.shape, weight[:, low:high].shape, whole.shape, stride, padding).run(
            part, weight[:, low:high], whole
        )

    in_threads(job, shares(x.shape[0], x.shape[1], threads), threads)
    return x


def weight_gradient(x, gradient, kernel, stride, padding, threads):
    """float32 gradient of the weight [O, C, k, k], given x [B, C, H, W] and that of y [B, O, H', W']."""
    if winograd.worth((gradient.shape[1], x.shape[1], kernel), stride, padding, cells(x)):
        return weight_gradient_in_tiles(x, gradient, threads)
    sums = np.empty((x.shape[0], gradient.shape[1], x.shape[1], kernel, kernel), np.float32)

    def job(n, low, high):
        given, part = gradient[n : n + 1, low:high], sums[n, low:high]
        convolution("weight", (1, *x.shape[1:]), part.shape, given.shape, stride, padding).run(
            x[n : n + 1], part, given
        )

    in_threads(job, shares(x.shape[0], gradient.shape[1], threads), threads)
    return sums.sum(0) if len(sums) > 1 else sums[0]


def operators(kernel, stride, padding, wants_input_gradient=True):
    """Custom operators on Tensors: (x, weight, bias) -> y, and (x, weight, y's gradient) -> the gradients of x and weight, or the weight's alone."""
    threads = numba.get_num_threads()

    def convolve(x, weight, bias):
        return forward(x, weight, bias, stride, padding, threads)

    def convolve_gradients(x, weight, gradient):
        of_weight = weight_gradient(x, gradient, kernel, stride, padding, threads)
        return (
            (input_gradient(weight, gradient, *x.shape[2:], stride, padding, threads), of_weight)
            if wants_input_gradient
            else of_weight
        )

    def result_shape(x, weight, bias):
        return [x[0], weight[0], *(result_side(side, kernel, stride, padding) for side in x[2:])]

    def like_inputs(x, weight, gradient):
        return (x, weight) if wants_input_gradient else weight

    return custom_operator(convolve, result_shape, lambda x, *_: x), custom_operator(
        convolve_gradients, like_inputs, like_inputs
    )
