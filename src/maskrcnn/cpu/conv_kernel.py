"""Convolutions on the CPU as custom operators: by oneDNN in its own layouts, or by Winograd's algorithm.

`onednn.py` has the first, `winograd.py` the second. `uses_winograd` says which is taken: Winograd's for 3x3
convolutions of stride 1 on large maps with many channels. Threads take images, or parts of an image's
channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from . import winograd
from .custom_operator import custom_operator
from .onednn import compute_once, convolution

CHANNEL_BLOCK = 16  # channels that oneDNN computes together with AVX-512


@compute_once
def thread_pool(threads: int) -> ThreadPoolExecutor:
    """The threads that compute. They are kept, as each has scratch buffers of its own (`onednn.py`)."""
    return ThreadPoolExecutor(threads, "convolution")


def split_jobs(batch: int, channels: int, threads: int) -> list[tuple[int, int, int]]:
    """Jobs (image, first channel, end channel) that cover all channels of all images, at least one a thread.

    A job is a whole image. With fewer images than threads it is a part of an image's channels, in whole
    blocks.
    """
    parts = max(1, min(channels // CHANNEL_BLOCK, -(-threads // batch)))
    cuts = [channels * part // parts // CHANNEL_BLOCK * CHANNEL_BLOCK for part in range(parts)] + [channels]
    return [(image, low, high) for image in range(batch) for low, high in zip(cuts, cuts[1:])]


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """The height or width of a convolution's output, given that of its input."""
    return (size + 2 * padding - kernel) // stride + 1


def num_cells(x: np.ndarray) -> int:
    """B * H * W of x [B, C, H, W]."""
    return x.shape[0] * x.shape[2] * x.shape[3]


def run_jobs(function: Callable, jobs: Iterable[tuple], threads: int) -> None:
    """function(*job) of all jobs, in threads. An exception of a job is raised here."""
    for future in [thread_pool(threads).submit(function, *job) for job in jobs]:
        future.result()


def run_ranges(function: Callable, count: int, threads: int) -> None:
    """function(start, end) of equal parts of range(count), one a thread."""
    run_jobs(function, winograd.split_range(0, count, threads), threads)


def winograd_convolution(
    filter_transform: Callable, weight: np.ndarray, x: np.ndarray, bias: np.ndarray, threads: int
) -> np.ndarray:
    """The convolution of x by Winograd's algorithm.

    Args:
        filter_transform: `winograd.filter_transform`, or `winograd.transposed_filter_transform` for the
            gradient of x.
        weight: float32 [O, C, 3, 3]; [C, O, 3, 3] for `transposed_filter_transform`.
        x: float32 [B, C, H, W].
        bias: float32 [O].

    Returns:
        float32 [B, O, H, W].
    """
    transformed = np.empty((16, len(bias), x.shape[1]), np.float32)
    y = np.empty((len(x), len(bias), *x.shape[2:]), np.float32)
    run_ranges(lambda low, high: filter_transform(weight, low, high, transformed), len(bias), threads)
    run_ranges(
        lambda low, high: winograd.forward(x, transformed, bias, y, low, high),
        winograd.num_tile_rows(x),
        threads,
    )
    return y


def winograd_weight_gradient(x: np.ndarray, gradient: np.ndarray, threads: int) -> np.ndarray:
    """As `weight_gradient` for a 3x3 kernel of stride 1 and padding 1, by Winograd's algorithm."""
    weight = np.empty((gradient.shape[1], x.shape[1], 3, 3), np.float32)
    parts = {}

    def add_tile_rows(low, high):
        parts[low] = np.zeros((16, *weight.shape[:2]), np.float32)
        winograd.weight_gradient(x, gradient, low, high, parts[low])

    run_ranges(add_tile_rows, winograd.num_tile_rows(x), threads)
    total, *others = (parts[low] for low in sorted(parts))  # always summed in the same order
    for part in others:
        total += part
    run_ranges(
        lambda low, high: winograd.filter_transform_gradient(total, low, high, weight), len(weight), threads
    )
    return weight


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, padding: int, threads: int
) -> np.ndarray:
    """float32 y [B, O, H', W'] of x [B, C, H, W], weight [O, C, k, k] and bias [O]."""
    if winograd.uses_winograd(weight.shape, stride, padding, num_cells(x)):
        return winograd_convolution(winograd.filter_transform, weight, x, bias, threads)
    height, width = (output_size(size, weight.shape[2], stride, padding) for size in x.shape[2:])
    y = np.empty((x.shape[0], weight.shape[0], height, width), np.float32)

    def run(image, low, high):
        x_part = x[image : image + 1]
        w_part = weight[low:high]
        y_part = y[image : image + 1, low:high]
        kind = convolution("forward", x_part.shape, w_part.shape, y_part.shape, stride, padding)
        kind.run(x_part, w_part, y_part, bias[low:high])

    run_jobs(run, split_jobs(x.shape[0], weight.shape[0], threads), threads)
    return y


def input_gradient(
    weight: np.ndarray, gradient: np.ndarray, height: int, width: int, stride: int, padding: int, threads: int
) -> np.ndarray:
    """float32 gradient of x [B, C, height, width], given weight [O, C, k, k] and y's gradient."""
    if winograd.uses_winograd(weight.shape, stride, padding, num_cells(gradient)):
        no_bias = np.zeros(weight.shape[1], np.float32)
        return winograd_convolution(winograd.transposed_filter_transform, weight, gradient, no_bias, threads)
    x = np.empty((gradient.shape[0], weight.shape[1], height, width), np.float32)

    def run(image, low, high):
        x_part = x[image : image + 1, low:high]
        w_part = weight[:, low:high]
        y_part = gradient[image : image + 1]
        kind = convolution("input", x_part.shape, w_part.shape, y_part.shape, stride, padding)
        kind.run(x_part, w_part, y_part)

    run_jobs(run, split_jobs(x.shape[0], x.shape[1], threads), threads)
    return x


def weight_gradient(
    x: np.ndarray, gradient: np.ndarray, kernel: int, stride: int, padding: int, threads: int
) -> np.ndarray:
    """float32 gradient of the weight [O, C, k, k], given x [B, C, H, W] and y's gradient [B, O, H', W']."""
    if winograd.uses_winograd((gradient.shape[1], x.shape[1], kernel), stride, padding, num_cells(x)):
        return winograd_weight_gradient(x, gradient, threads)
    per_image = np.empty((x.shape[0], gradient.shape[1], x.shape[1], kernel, kernel), np.float32)

    def run(image, low, high):
        x_part = x[image : image + 1]
        w_part = per_image[image, low:high]
        y_part = gradient[image : image + 1, low:high]
        kind = convolution("weight", x_part.shape, w_part.shape, y_part.shape, stride, padding)
        kind.run(x_part, w_part, y_part)

    run_jobs(run, split_jobs(x.shape[0], gradient.shape[1], threads), threads)
    return per_image.sum(0) if len(per_image) > 1 else per_image[0]


def conv_operators(kernel: int, stride: int, padding: int, needs_input_gradient: bool = True):
    """Custom operators on Tensors, for a convolution and its gradients.

    Args:
        needs_input_gradient: whether the second operator also computes the gradient of x.

    Returns:
        (x, weight, bias) -> y, and (x, weight, y's gradient) -> the gradients of x and of the weight, or of
        the weight alone.
    """
    threads = numba.get_num_threads()

    def convolve(x, weight, bias):
        return forward(x, weight, bias, stride, padding, threads)

    def convolve_gradients(x, weight, gradient):
        of_weight = weight_gradient(x, gradient, kernel, stride, padding, threads)
        if not needs_input_gradient:
            return of_weight
        return input_gradient(weight, gradient, *x.shape[2:], stride, padding, threads), of_weight

    def output_shape(x, weight, bias):
        return [x[0], weight[0], *(output_size(size, kernel, stride, padding) for size in x[2:])]

    def like_inputs(x, weight, gradient):
        return (x, weight) if needs_input_gradient else weight

    return (
        custom_operator(convolve, output_shape, lambda x, *_: x),
        custom_operator(convolve_gradients, like_inputs, like_inputs),
    )
