"""RoIAlign's CPU kernel, compiled by Numba: all levels in one call, as a custom operator.

On a CPU, MindSpore 2.8's own RoIAlign takes about four times as long as torchvision's. A custom operator
takes static shapes only, so RoIs come in padded slots. A slot of level -1 is skipped, and its result is
zeros.

A pooled cell is the mean over its sampling points, and each point is a bilinear interpolation of four cells
of the map. Both are products of a vertical and a horizontal part. So each axis has its own list of taps: the
index of a row (or column) and its weight, two taps a sampling point.
"""

from __future__ import annotations

import numpy as np
from mindspore import ops
from numba import njit, prange

from .custom_operator import custom_operator


@njit(cache=True)
def roi_in_cells(roi, stride, shift, aligned):
    """(x1, y1, x2, y2) of a RoI in cells of its level."""
    x1 = roi[0] / stride - shift
    y1 = roi[1] / stride - shift
    x2 = roi[2] / stride - shift
    y2 = roi[3] / stride - shift
    if not aligned:  # the older convention pools at least one whole cell
        x2 = max(x2, x1 + 1.0)
        y2 = max(y2, y1 + 1.0)
    return x1, y1, x2, y2


@njit(cache=True)
def tap_count(low, high, size, samples):
    """The number of taps of a pooled cell along one axis, two a sample.

    `samples` 0 is adaptive: as many samples as the pooled cell's side, rounded up; none where the side is 0.
    """
    return 2 * samples if samples > 0 else 2 * max(int(np.ceil((high - low) / size)), 0)


@njit(cache=True, fastmath=False)
def sample_axis(low, high, size, samples, length, index, weight):
    """The taps of one axis of one RoI. Samples more than one cell outside the map have weight 0.

    Samples outside the map, but by at most one cell, read its edge.

    Args:
        low, high: the RoI's sides on this axis, in cells of the map.
        length: the map's height or width.
        index: int64 [size, 2 * samples], result.
        weight: float32 [size, 2 * samples], result.
    """
    step = (high - low) / size
    for cell in range(size):
        for s in range(samples):
            position = low + step * (cell + (s + 0.5) / samples)
            first = 0
            fraction = 0.0
            inside = 1.0 / samples
            if position < -1.0 or position > length:
                inside = 0.0
            elif position > 0.0:
                first = int(position)
                if first >= length - 1:
                    first = length - 1
                else:
                    fraction = position - first
            index[cell, 2 * s] = first
            weight[cell, 2 * s] = inside * (1.0 - fraction)
            index[cell, 2 * s + 1] = min(first + 1, length - 1)
            weight[cell, 2 * s + 1] = inside * fraction


@njit(cache=True)
def compute_taps(rois, levels, strides, shift, aligned, size, samples, heights, widths):
    """The taps of all K = B * S slots.

    Returns:
        taps: int64 [K, 2], the number of taps of a pooled cell, vertical and horizontal.
        spans: int64 [K, 2], first column that is read, and how many columns from it on.
        rows, row_weights: int64 and float32 [K, size, most taps].
        columns, column_weights: the same; columns are counted from the span's first.
    """
    slots = levels.shape[1]
    count = levels.size
    taps = np.zeros((count, 2), np.int64)
    spans = np.zeros((count, 2), np.int64)
    for k in range(count):
        level = levels[k // slots, k % slots]
        if level >= 0:
            x1, y1, x2, y2 = roi_in_cells(rois[k // slots, k % slots], strides[level], shift, aligned)
            taps[k, 0] = tap_count(y1, y2, size, samples)
            taps[k, 1] = tap_count(x1, x2, size, samples)
    most = taps.max() if count > 0 else 0
    rows = np.empty((count, size, most), np.int64)
    row_weights = np.empty((count, size, most), np.float32)
    columns = np.empty((count, size, most), np.int64)
    column_weights = np.empty((count, size, most), np.float32)
    for k in range(count):
        level = levels[k // slots, k % slots]
        if level >= 0:
            x1, y1, x2, y2 = roi_in_cells(rois[k // slots, k % slots], strides[level], shift, aligned)
            sample_axis(y1, y2, size, taps[k, 0] // 2, heights[level], rows[k], row_weights[k])
            sample_axis(x1, x2, size, taps[k, 1] // 2, widths[level], columns[k], column_weights[k])
            if taps[k, 1] > 0:
                used = columns[k, :, : taps[k, 1]]
                spans[k, 0] = used.min()
                spans[k, 1] = used.max() - used.min() + 1
                used -= spans[k, 0]
    return taps, spans, rows, row_weights, columns, column_weights


@njit(parallel=True, cache=True)
def pool_rois(p2, p3, p4, p5, rois, levels, strides, shift, aligned, size, samples, out):
    """Fill out [B * S, C, size, size] for rois [B, S, 4] and levels int32 [B, S].

    Each thread takes channels of its own, so that a channel's map stays in the cache.
    """
    slots = levels.shape[1]
    channels = p2.shape[1]
    count = levels.size
    taps, spans, rows, row_weights, columns, column_weights = compute_taps(
        rois,
        levels,
        strides,
        shift,
        aligned,
        size,
        samples,
        (p2.shape[2], p3.shape[2], p4.shape[2], p5.shape[2]),
        (p2.shape[3], p3.shape[3], p4.shape[3], p5.shape[3]),
    )
    widest = spans[:, 1].max() if count > 0 else 0
    for c in prange(channels):
        buffer = np.empty(widest, np.float32)
        for k in range(count):
            image = k // slots
            level = levels[image, k % slots]
            if level < 0:
                out[k, c] = 0.0
                continue
            plane = (
                p2[image, c]
                if level == 0
                else p3[image, c]
                if level == 1
                else p4[image, c]
                if level == 2
                else p5[image, c]
            )
            line = buffer[: spans[k, 1]]
            for i in range(size):
                # vertical taps first, for a whole line of columns; then the horizontal taps
                line[:] = 0.0
                for a in range(0, taps[k, 0], 2):  # a sample has two taps
                    above = plane[rows[k, i, a], spans[k, 0] :]
                    below = plane[rows[k, i, a + 1], spans[k, 0] :]
                    u = row_weights[k, i, a]
                    v = row_weights[k, i, a + 1]
                    for x in range(len(line)):
                        line[x] += u * above[x] + v * below[x]
                for j in range(size):
                    total = np.float32(0.0)
                    for b in range(taps[k, 1]):
                        total += column_weights[k, j, b] * line[columns[k, j, b]]
                    out[k, c, i, j] = total


@njit(parallel=True, cache=True)
def pool_rois_gradient(gradient, rois, levels, strides, shift, aligned, size, samples, d2, d3, d4, d5):
    """The gradient of `pool_rois`: adds gradient [B * S, C, size, size] to the maps d2 .. d5.

    Each thread takes channels of its own, so that no two threads add to the same cell.
    """
    slots = levels.shape[1]
    channels = d2.shape[1]
    count = levels.size
    taps, spans, rows, row_weights, columns, column_weights = compute_taps(
        rois,
        levels,
        strides,
        shift,
        aligned,
        size,
        samples,
        (d2.shape[2], d3.shape[2], d4.shape[2], d5.shape[2]),
        (d2.shape[3], d3.shape[3], d4.shape[3], d5.shape[3]),
    )
    widest = spans[:, 1].max() if count > 0 else 0
    for c in prange(channels):
        buffer = np.empty(widest, np.float32)
        for k in range(count):
            image = k // slots
            level = levels[image, k % slots]
            if level < 0:
                continue
            plane = (
                d2[image, c]
                if level == 0
                else d3[image, c]
                if level == 1
                else d4[image, c]
                if level == 2
                else d5[image, c]
            )
            line = buffer[: spans[k, 1]]
            for i in range(size):
                line[:] = 0.0
                for j in range(size):
                    for b in range(taps[k, 1]):
                        line[columns[k, j, b]] += gradient[k, c, i, j] * column_weights[k, j, b]
                for a in range(taps[k, 0]):
                    target = plane[rows[k, i, a], spans[k, 0] :]
                    weight = row_weights[k, i, a]
                    for x in range(len(line)):
                        target[x] += weight * line[x]


def forward_operator(size: int, samples: int, aligned: bool, strides: tuple[int, ...]) -> ops.Custom:
    """Operator (p2, p3, p4, p5, rois [B, S, 4], levels int32 [B, S]) -> float32 [B * S, C, size, size]."""
    scales = np.array(strides, np.float32)
    shift = np.float32(0.5 if aligned else 0.0)

    def roi_align(p2, p3, p4, p5, rois, levels):
        out = np.empty((levels.size, p2.shape[1], size, size), np.float32)
        pool_rois(p2, p3, p4, p5, rois, levels, scales, shift, aligned, size, samples, out)
        return out

    def shape(p2, p3, p4, p5, rois, levels):
        return [levels[0] * levels[1], p2[1], size, size]

    def dtype(p2, p3, p4, p5, rois, levels):
        return p2

    return custom_operator(roi_align, shape, dtype)


def backward_operator(
    size: int, samples: int, aligned: bool, strides: tuple[int, ...], shapes: list[tuple[int, int]]
) -> ops.Custom:
    """Operator (gradient [B * S, C, size, size], rois, levels) -> gradients of the maps [B, C, *shape]."""
    scales = np.array(strides, np.float32)
    shift = np.float32(0.5 if aligned else 0.0)

    def roi_align_gradient(gradient, rois, levels):
        maps = [
            np.zeros((levels.shape[0], gradient.shape[1], height, width), np.float32)
            for height, width in shapes
        ]
        pool_rois_gradient(gradient, rois, levels, scales, shift, aligned, size, samples, *maps)
        return tuple(maps)

    def shape(gradient, rois, levels):
        return tuple([rois[0], gradient[1], height, width] for height, width in shapes)

    def dtype(gradient, rois, levels):
        return gradient, gradient, gradient, gradient

    return custom_operator(roi_align_gradient, shape, dtype)
