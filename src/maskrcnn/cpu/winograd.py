"""3x3 convolutions of stride 1 with four ninths of the products, on the CPU: Winograd's F(2x2, 3x3) (Lavin & Gray 2016).

A tile is a square of 2x2 cells of y, which needs 4x4 cells of x. Mixed by B^T d B, those are 16 numbers; the kernel's 3x3 mixed by G g G^T are 16
too; their products, summed over channels, are 16 matrix products, which A^T m A makes into the tile. Mixing costs an addition or two a
number. The gradient of x is a convolution of y's by the turned weight, and the weight's is found in the same mixed numbers.

Tiles of all maps lie in rows, one row after the other: map n's row i is number n I + i, where I is half of a map's rows, rounded up.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .onednn import multiply, scratch

TILES = 256  # of a strip: mixed numbers of about as many tiles at a time, which stay in the cache


def worth(weight, stride, padding, cells):
    """Whether it is faster than nine taps, for a weight [O, C, k, k] and as many cells of all maps: the weight is mixed too, which takes its time."""
    return (
        (weight[2], stride, padding) == (3, 1, 1) and min(weight[:2]) >= 128 and cells >= 2 * max(weight[:2])
    )


def rows_of(maps):
    """How many rows of tiles the maps [B, C, H, W] have."""
    return len(maps) * ((maps.shape[2] + 1) // 2)


@njit(nogil=True, cache=True)
def mix_kernel(g, mixed, o, c):
    """Put G g G^T of g [3, 3] at mixed [16, O, C]'s o and c."""
    half = np.float32(0.5)
    for p in range(4):
        if p == 0 or p == 3:
            row = 0 if p == 0 else 2
            left, middle, right = g[row, 0], g[row, 1], g[row, 2]
        else:
            sign = half if p == 1 else -half
            left = half * (g[0, 0] + g[2, 0]) + sign * g[1, 0]
            middle = half * (g[0, 1] + g[2, 1]) + sign * g[1, 1]
            right = half * (g[0, 2] + g[2, 2]) + sign * g[1, 2]
        outer, middle = half * (left + right), half * middle
        mixed[4 * p, o, c], mixed[4 * p + 3, o, c] = left, right
        mixed[4 * p + 1, o, c], mixed[4 * p + 2, o, c] = outer + middle, outer - middle


@njit(nogil=True, cache=True)
def mix_weight(weight, low, high, mixed):
    """Fill outputs low .. high of mixed [16, O, C] from a weight [O, C, 3, 3]."""
    for o in range(low, high):
        for c in range(weight.shape[1]):
            mix_kernel(weight[o, c], mixed, o, c)


@njit(nogil=True, cache=True)
def mix_turned_weight(weight, low, high, mixed):
    """Fill outputs low .. high of mixed [16, C, O] from a weight [O, C, 3, 3]: of the weight [C, O, 3, 3] by which y's gradient becomes x's."""
    for c in range(low, high):
        for o in range(weight.shape[0]):
            mix_kernel(weight[o, c, ::-1, ::-1], mixed, c, o)


@njit(nogil=True, cache=True)
def weight_of(mixed, low, high, weight):
    """Fill outputs low .. high of the gradient of a weight [O, C, 3, 3], given that of its mixed numbers [16, O, C]: G^T m G."""
    half = np.float32(0.5)
    rows = np.empty((3, 4), np.float32)
    for o in range(low, high):
        for c in range(weight.shape[1]):
            for q in range(4):
                first, second, third, fourth = (
                    mixed[q, o, c],
                    mixed[4 + q, o, c],
                    mixed[8 + q, o, c],
                    mixed[12 + q, o, c],
                )
                both = half * (second + third)
                rows[0, q], rows[1, q], rows[2, q] = first + both, half * (second - third), both + fourth
            for i in range(3):
                both = half * (rows[i, 1] + rows[i, 2])
                weight[o, c, i, 0], weight[o, c, i, 2] = rows[i, 0] + both, both + rows[i, 3]
                weight[o, c, i, 1] = half * (rows[i, 1] - rows[i, 2])


@njit(nogil=True, cache=True, inline="always")  # called, it makes the loops around it take 1.7 times as long
def four_of(mixed, k, c, place, count):
    """Numbers k .. k + 3 of channel c of mixed [16, C, T]: four arrays, of `count` tiles from `place` on."""
    end = place + count
    return (
        mixed[k, c, place:end],
        mixed[k + 1, c, place:end],
        mixed[k + 2, c, place:end],
        mixed[k + 3, c, place:end],
    )


@njit(nogil=True, cache=True)
def mix_maps(x, start, mixed):
    """B^T d B: fill mixed [16, C, T] from row of tiles `start` of x [B, C, H, W] on; zeros beyond a map's edges."""
    height, width = x.shape[2:]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    lines = np.zeros((4, 2 * columns + 2), np.float32)  # mixed along rows: cell w at w + 1
    nothing = np.zeros(width, np.float32)
    for c in range(mixed.shape[1]):
        for number in range(mixed.shape[2] // columns):
            n, row = (start + number) // rows, 2 * ((start + number) % rows)
            above = x[n, c, row - 1] if row > 0 else nothing
            first = x[n, c, row]
            second = x[n, c, row + 1] if row + 1 < height else nothing
            below = x[n, c, row + 2] if row + 2 < height else nothing
            for w in range(width):
                lines[0, w + 1] = above[w] - second[w]
                lines[1, w + 1] = first[w] + second[w]
                lines[2, w + 1] = second[w] - first[w]
                lines[3, w + 1] = first[w] - below[w]
            place = number * columns
            for p in range(4):
                line = lines[p]
                a, b, d, e = four_of(mixed, 4 * p, c, place, columns)
                for j in range(columns):
                    before, one, two, after = line[2 * j], line[2 * j + 1], line[2 * j + 2], line[2 * j + 3]
                    a[j] = before - two
                    b[j] = one + two
                    d[j] = two - one
                    e[j] = one - after


@njit(nogil=True, cache=True)
def take_maps(mixed, start, bias, y):
    """A^T m A + bias: fill the rows of tiles `start` and on of y [B, O, H, W] from mixed [16, O, T]."""
    height, width = y.shape[2:]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    upper, lower = np.empty(2 * columns, np.float32), np.empty(2 * columns, np.float32)
    for c in range(mixed.shape[1]):
        add = bias[c]
        for number in range(mixed.shape[2] // columns):
            n, row = (start + number) // rows, 2 * ((start + number) % rows)
            m = mixed[:, c, number * columns : (number + 1) * columns]
            for j in range(columns):
                left0, right0 = m[0, j] + m[1, j] + m[2, j], m[1, j] - m[2, j] - m[3, j]
                left1, right1 = m[4, j] + m[5, j] + m[6, j], m[5, j] - m[6, j] - m[7, j]
                left2, right2 = m[8, j] + m[9, j] + m[10, j], m[9, j] - m[10, j] - m[11, j]
                left3, right3 = m[12, j] + m[13, j] + m[14, j], m[13, j] - m[14, j] - m[15, j]
                upper[2 * j], upper[2 * j + 1] = left0 + left1 + left2 + add, right0 + right1 + right2 + add
                lower[2 * j], lower[2 * j + 1] = left1 - left2 - left3 + add, right1 - right2 - right3 + add
            y[n, c, row] = upper[:width]
            if row + 1 < height:
                y[n, c, row + 1] = lower[:width]


@njit(nogil=True, cache=True)
def mix_gradient(gradient, start, mixed):
    """A g A^T: fill mixed [16, O, T] from row of tiles `start` of y's gradient [B, O, H, W] on."""
    height, width = gradient.shape[2:]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    lines = np.zeros((4, 2 * columns), np.float32)
    nothing = np.zeros(width, np.float32)
    for c in range(mixed.shape[1]):
        for number in range(mixed.shape[2] // columns):
            n, row = (start + number) // rows, 2 * ((start + number) % rows)
            first = gradient[n, c, row]
            second = gradient[n, c, row + 1] if row + 1 < height else nothing
            for w in range(width):
                lines[0, w] = first[w]
                lines[1, w] = first[w] + second[w]
                lines[2, w] = first[w] - second[w]
                lines[3, w] = -second[w]
            place = number * columns
            for p in range(4):
                line = lines[p]
                a, b, d, e = four_of(mixed, 4 * p, c, place, columns)
                for j in range(columns):
                    left, right = line[2 * j], line[2 * j + 1]
                    a[j] = left
                    b[j] = left + right
                    d[j] = left - right
                    e[j] = -right


def equal_parts(low, high, count):
    """[(first, end)] of `count` parts of low .. high, as equal as can be; none is empty."""
    cuts = [low + (high - low) * number // count for number in range(count + 1)]
    return [(start, end) for start, end in zip(cuts, cuts[1:]) if start < end]


def strips(low, high, width):
    """(first, end) of parts of rows of tiles low .. high, of some TILES each."""
    return equal_parts(low, high, -(-(high - low) * ((width + 1) // 2) // TILES))


def room(name, maps, rows):
    """Where so many rows of tiles of `maps` are mixed: float32 [16, C, T]."""
    return scratch(name, (16, maps.shape[1], rows * ((maps.shape[3] + 1) // 2)))


def forward(x, mixed, bias, y, low, high):
    """Fill rows of tiles low .. high of y [B, O, H, W], given x [B, C, H, W], the mixed weight [16, O, C] and bias [O]."""
    for start, end in strips(low, high, x.shape[3]):
        of_x, of_y = room("mixed x", x, end - start), room("mixed y", y, end - start)
        mix_maps(x, start, of_x)
        for k in range(16):
            multiply(mixed[k], of_x[k], of_y[k])
        take_maps(of_y, start, bias, y)


def weight_gradient(x, gradient, low, high, sums):
    """Add what rows of tiles low .. high of x [B, C, H, W] and of y's gradient [B, O, H, W] give to the gradient of the mixed weight, [16, O, C]."""
    for start, end in strips(low, high, x.shape[3]):
        of_x, of_y = room("mixed x", x, end - start), room("mixed y", gradient, end - start)
        mix_maps(x, start, of_x)
        mix_gradient(gradient, start, of_y)
        for k in range(16):
            multiply(of_y[k], of_x[k], sums[k], turned=True, add=True)
