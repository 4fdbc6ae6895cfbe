"""RoIAlign's CPU kernel: all levels in one call, compiled by Numba, inside the graph as a custom operator.

MindSpore 2.8's own RoIAlign takes about four times as long on a CPU as torchvision's. A custom operator takes static shapes
only, so RoIs come in padded slots; a slot of level -1 is skipped and holds zeros.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .custom_operator import custom_operator


@njit(cache=True)
def roi_sides(roi, stride, shift, aligned):
    """(x1, y1, x2, y2) of a RoI in cells of its level."""
    x1, y1, x2, y2 = (
        roi[0] / stride - shift,
        roi[1] / stride - shift,
        roi[2] / stride - shift,
        roi[3] / stride - shift,
    )
    if not aligned:  # the older convention pools at least one whole cell
        x2, y2 = max(x2, x1 + 1.0), max(y2, y1 + 1.0)
    return x1, y1, x2, y2


@njit(cache=True)
def tap_count(low, high, size, samples):
    """Taps of a pooled cell along one axis, two a sample; `samples` 0 is adaptive: as many as the cell's side, rounded up (none if it has none)."""
    return 2 * samples if samples > 0 else 2 * max(int(np.ceil((high - low) / size)), 0)


@njit(cache=True, fastmath=False)
def sample_axis(low, high, size, samples, length, index, weight):
    """Taps of one axis of one RoI (cell coordinates low, high on a map of `length` cells).

    Fills index int64 [size, 2 * samples] and weight float32 [size, 2 * samples]: a pooled cell is the mean over its samples of a linear
    interpolation. Samples farther than one cell outside the map count zero, nearer ones read its edge.
    """
    step = (high - low) / size
    for cell in range(size):
        for s in range(samples):
            position = low + step * (cell + (s + 0.5) / samples)
            first, fraction, inside = 0, 0.0, 1.0 / samples
            if position < -1.0 or position > length:
                inside = 0.0
            elif position > 0.0:
                first = int(position)
                if first >= length - 1:
                    first = length - 1
                else:
                    fraction = position - first
            index[cell, 2 * s], weight[cell, 2 * s] = first, inside * (1.0 - fraction)
            index[cell, 2 * s + 1], weight[cell, 2 * s + 1] = min(first + 1, length - 1), inside * fraction


@njit(cache=True)
def all_taps(rois, levels, strides, shift, aligned, size, samples, heights, widths):
    """Every RoI's taps, in the order of the slots: their number down and along, int64 [K, 2]; the span of columns they read (first, length),
    int64 [K, 2]; rows and columns, int64 [K, size, most], the columns counted from the span's first; and the weights of both.
    """
    slots, count = levels.shape[1], levels.size
    taps, spans = np.zeros((count, 2), np.int64), np.zeros((count, 2), np.int64)
    for k in range(count):
        level = levels[k // slots, k % slots]
        if level >= 0:
            x1, y1, x2, y2 = roi_sides(rois[k // slots, k % slots], strides[level], shift, aligned)
            taps[k, 0], taps[k, 1] = tap_count(y1, y2, size, samples), tap_count(x1, x2, size, samples)
    most = taps.max() if count > 0 else 0
    rows, row_weights = np.empty((count, size, most), np.int64), np.empty((count, size, most), np.float32)
    columns, column_weights = (
        np.empty((count, size, most), np.int64),
        np.empty((count, size, most), np.float32),
    )
    for k in range(count):
        level = levels[k // slots, k % slots]
        if level >= 0:
            x1, y1, x2, y2 = roi_sides(rois[k // slots, k % slots], strides[level], shift, aligned)
            sample_axis(y1, y2, size, taps[k, 0] // 2, heights[level], rows[k], row_weights[k])
            sample_axis(x1, x2, size, taps[k, 1] // 2, widths[level], columns[k], column_weights[k])
            if taps[k, 1] > 0:
                used = columns[k, :, : taps[k, 1]]
                spans[k, 0], spans[k, 1] = used.min(), used.max() - used.min() + 1
                used -= spans[k, 0]
    return taps, spans, rows, row_weights, columns, column_weights


@njit(parallel=True, cache=True)
def pool(p2, p3, p4, p5, rois, levels, strides, shift, aligned, size, samples, out):
    """rois [B, S, 4], levels int32 [B, S]; fills out [B * S, C, size, size]. Threads share channels out, so that a map stays in the cache."""
    slots, channels, count = levels.shape[1], p2.shape[1], levels.size
    taps, spans, rows, row_weights, columns, column_weights = all_taps(
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
            picture = k // slots
            level = levels[picture, k % slots]
            if level < 0:
                out[k, c] = 0.0
                continue
            plane = (
                p2[picture, c]
                if level == 0
                else p3[picture, c]
                if level == 1
                else p4[picture, c]
                if level == 2
                else p5[picture, c]
            )
            line = buffer[: spans[k, 1]]
            for i in range(size):
                # down first, along whole rows at once; then the few columns across
                line[:] = 0.0
                for a in range(0, taps[k, 0], 2):  # a sample has two taps
                    above, below = (
                        plane[rows[k, i, a], spans[k, 0] :],
                        plane[rows[k, i, a + 1], spans[k, 0] :],
                    )
                    u, v = row_weights[k, i, a], row_weights[k, i, a + 1]
                    for x in range(len(line)):
                        line[x] += u * above[x] + v * below[x]
                for j in range(size):
                    total = np.float32(0.0)
                    for b in range(taps[k, 1]):
                        total += column_weights[k, j, b] * line[columns[k, j, b]]
                    out[k, c, i, j] = total


@njit(parallel=True, cache=True)
def spread(gradient, rois, levels, strides, shift, aligned, size, samples, d2, d3, d4, d5):
    """The transpose of `pool`: adds gradient [B * S, C, size, size] into d2 .. d5. Threads share channels out, so none meet."""
    slots, channels, count = levels.shape[1], d2.shape[1], levels.size
    taps, spans, rows, row_weights, columns, column_weights = all_taps(
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
            picture = k // slots
            level = levels[picture, k % slots]
            if level < 0:
                continue
            plane = (
                d2[picture, c]
                if level == 0
                else d3[picture, c]
                if level == 1
                else d4[picture, c]
                if level == 2
                else d5[picture, c]
            )
            line = buffer[: spans[k, 1]]
            for i in range(size):
                line[:] = 0.0
                for j in range(size):
                    for b in range(taps[k, 1]):
                        line[columns[k, j, b]] += gradient[k, c, i, j] * column_weights[k, j, b]
                for a in range(taps[k, 0]):
                    target, weight = plane[rows[k, i, a], spans[k, 0] :], row_weights[k, i, a]
                    for x in range(len(line)):
                        target[x] += weight * line[x]


def forward_operator(size, samples, aligned, strides):
    """Custom operator (p2, p3, p4, p5, rois [B, S, 4], levels int32 [B, S]) -> float32 [B * S, C, size, size]."""
    scales, shift = np.array(strides, np.float32), np.float32(0.5 if aligned else 0.0)

    def roi_align(p2, p3, p4, p5, rois, levels):
        out = np.empty((levels.size, p2.shape[1], size, size), np.float32)
        pool(p2, p3, p4, p5, rois, levels, scales, shift, aligned, size, samples, out)
        return out

    def shape(p2, p3, p4, p5, rois, levels):
        return [levels[0] * levels[1], p2[1], size, size]

    def dtype(p2, p3, p4, p5, rois, levels):
        return p2

    return custom_operator(roi_align, shape, dtype)


def backward_operator(size, samples, aligned, strides, shapes):
    """Custom operator (gradient [B * S, C, size, size], rois, levels) -> gradients of the four levels, [B, C, h, w] with `shapes` (h, w)."""
    scales, shift = np.array(strides, np.float32), np.float32(0.5 if aligned else 0.0)

    def roi_align_gradient(gradient, rois, levels):
        maps = [
            np.zeros((levels.shape[0], gradient.shape[1], height, width), np.float32)
            for height, width in shapes
        ]
        spread(gradient, rois, levels, scales, shift, aligned, size, samples, *maps)
        return tuple(maps)

    def shape(gradient, rois, levels):
        return tuple([rois[0], gradient[1], height, width] for height, width in shapes)

    def dtype(gradient, rois, levels):
        return gradient, gradient, gradient, gradient

    return custom_operator(roi_align_gradient, shape, dtype)
