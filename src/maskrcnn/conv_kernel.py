"""Convolutions on the CPU in oneDNN's own layouts (`onednn.py`), shared out over threads, inside the graph as custom operators.

Those of 3x3 on large maps of many channels go Winograd's way (`winograd.py`).
"""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from src.maskrcnn import winograd
from src.maskrcnn.custom_operator import custom_operator
from src.maskrcnn.onednn import convolution, once

BLOCK = 16               # channels that oneDNN computes together with AVX-512


@once
def workers(threads):
    """The threads that compute, always the same ones: each keeps blocks of memory (`onednn.py`)."""
    return ThreadPoolExecutor(threads, "convolution")


def shares(pictures, channels, threads):
    """(picture, first channel, end) of as many jobs as keep `threads` busy: whole pictures, or parts of their channels where those are few."""
    parts = max(1, min(channels // BLOCK, -(-threads // pictures)))
    cuts = [channels * part // parts // BLOCK * BLOCK for part in range(parts)] + [channels]
    return [(picture, low, high) for picture in range(pictures) for low, high in zip(cuts, cuts[1:])]


def tile_shares(x, threads):
    """[((first tile, end),)] of the maps x, for `threads` jobs by Winograd's way."""
    tiles = winograd.tiles_of(x)
    cuts = [tiles * part // threads for part in range(threads + 1)]
    return [((low, high),) for low, high in zip(cuts, cuts[1:]) if low < high]


def by_winograd(x, weight, stride, padding):
    return padding == 1 and winograd.worth(weight, stride, x.shape[0] * x.shape[2] * x.shape[3])


def result_side(side, kernel, stride, padding):
    """The height or width of what a convolution makes of a map's."""
    return (side + 2 * padding - kernel) // stride + 1


def in_threads(job, jobs, threads):
    for done in [workers(threads).submit(job, *words) for words in jobs]:
        done.result()


def forward(x, weight, bias, stride, padding, threads):
    """float32 y [B, O, H', W'] of x [B, C, H, W], weight [O, C, k, k], bias [O]."""
    height, width = (result_side(side, weight.shape[2], stride, padding) for side in x.shape[2:])
    y = np.empty((x.shape[0], weight.shape[0], height, width), np.float32)
    if by_winograd(x, weight.shape, stride, padding):
        mixed = winograd.mixed_weight(weight)
        in_threads(lambda tiles: winograd.forward(x, mixed, bias, y, tiles), tile_shares(x, threads), threads)
        return y

    def job(n, low, high):
        part = y[n:n + 1, low:high]
        kind = convolution("forward", (1, *x.shape[1:]), weight[low:high].shape, part.shape, stride, (padding, padding))
        kind.run(x[n:n + 1], weight[low:high], part, bias[low:high])
    in_threads(job, shares(x.shape[0], weight.shape[0], threads), threads)
    return y


def input_gradient(weight, gradient, height, width, stride, padding, threads):
    """float32 gradient of x [B, C, height, width], given that of y [B, O, H', W']."""
    x = np.empty((gradient.shape[0], weight.shape[1], height, width), np.float32)
    if by_winograd(gradient, weight.shape, stride, padding):
        mixed, nothing = winograd.mixed_turned_weight(weight), np.zeros(x.shape[1], np.float32)
        in_threads(lambda tiles: winograd.forward(gradient, mixed, nothing, x, tiles), tile_shares(x, threads), threads)
        return x

    def job(n, low, high):
        part, whole = x[n:n + 1, low:high], gradient[n:n + 1]
        convolution("input", part.shape, weight[:, low:high].shape, whole.shape, stride, (padding, padding)).run(part, weight[:, low:high], whole)
    in_threads(job, shares(x.shape[0], x.shape[1], threads), threads)
    return x


def weight_gradient(x, gradient, kernel, stride, padding, threads):
    """float32 gradient of the weight [O, C, k, k], given x [B, C, H, W] and that of y [B, O, H', W']."""
    if by_winograd(x, (gradient.shape[1], x.shape[1], kernel), stride, padding):
        found = []
        in_threads(lambda tiles: found.append((tiles, winograd.weight_gradient(x, gradient, tiles))), tile_shares(x, threads), threads)
        return winograd.weight_of(sum(part for _, part in sorted(found, key=lambda one: one[0])))
    sums = np.empty((x.shape[0], gradient.shape[1], x.shape[1], kernel, kernel), np.float32)

    def job(n, low, high):
        given, part = gradient[n:n + 1, low:high], sums[n, low:high]
        convolution("weight", (1, *x.shape[1:]), part.shape, given.shape, stride, (padding, padding)).run(x[n:n + 1], part, given)
    in_threads(job, shares(x.shape[0], gradient.shape[1], threads), threads)
    return sums.sum(0) if len(sums) > 1 else sums[0]


def operators(kernel, stride, padding, wants_input_gradient=True):
    """Custom operators on Tensors: (x, weight, bias) -> y, and (x, weight, y's gradient) -> the gradients of x and weight, or the weight's alone."""
    threads = numba.get_num_threads()

    def convolve(x, weight, bias):
        return forward(x, weight, bias, stride, padding, threads)

    def convolve_gradients(x, weight, gradient):
        of_weight = weight_gradient(x, gradient, kernel, stride, padding, threads)
        return (input_gradient(weight, gradient, *x.shape[2:], stride, padding, threads), of_weight) if wants_input_gradient else of_weight

    def result_shape(x, weight, bias):
        return [x[0], weight[0], *(result_side(side, kernel, stride, padding) for side in x[2:])]

    def like_inputs(x, weight, gradient):
        return (x, weight) if wants_input_gradient else weight
    return custom_operator(convolve, result_shape, lambda x, *_: x), custom_operator(convolve_gradients, like_inputs, like_inputs)
