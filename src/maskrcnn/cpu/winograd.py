"""Winograd's F(2x2, 3x3) for 3x3 convolutions of stride 1 and padding 1 on the CPU (Lavin & Gray 2016).

The output y is computed in tiles of 2x2 cells. A tile needs a patch d of 4x4 cells of the input x. With the
3x3 filter g, a channel's part of the tile is A^T [(G g G^T) * (B^T d B)] A, where * is the product of each
two elements:

    input transform   V = B^T d B      4x4 patch of x -> 16 numbers
    filter transform  U = G g G^T      3x3 filter -> 16 numbers
    output transform  Y = A^T M A      16 numbers M = U * V, summed over the input channels -> 2x2 tile of y

          | 1  0 -1  0 |        |  1    0    0  |
    B^T = | 0  1  1  0 |    G = | 1/2  1/2  1/2 |    A^T = | 1  1  1  0 |
          | 0 -1  1  0 |        | 1/2 -1/2  1/2 |          | 0  1 -1 -1 |
          | 0  1  0 -1 |        |  0    0    1  |

A tile takes 16 multiplications a channel instead of 36. The sums over channels are 16 matrix products
(`onednn.matmul`).

Gradients: that of x is a convolution of y's gradient by the filters rotated by 180 degrees, with in and out
channels swapped. For the weight's, y's gradient dY is transformed to dM = A dY A^T, the products of dM and V
summed over all tiles are dU, and the gradient of the filter is G^T dU G.

Transformed arrays are float32 [16, channels, tiles]: element 4 p + q is that of row p and column q of the 4x4
matrix. Tiles are counted by tile rows of all images: with I = (H + 1) // 2, tile row i of image n
is number n I + i.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .onednn import matmul, scratch_buffer

TILES_PER_STRIP = 256  # about as many tiles are transformed at a time, so that they stay in the cache


def uses_winograd(weight_shape: tuple[int, ...], stride: int, padding: int, num_cells: int) -> bool:
    """Whether Winograd's algorithm applies to a convolution and is faster than the direct one.

    Args:
        weight_shape: (O, C, k) or (O, C, k, k).
        num_cells: B * H * W. The filter transform takes time of its own, which few cells do not repay.
    """
    is_3x3 = (weight_shape[2], stride, padding) == (3, 1, 1)
    return is_3x3 and min(weight_shape[:2]) >= 128 and num_cells >= 2 * max(weight_shape[:2])


def num_tile_rows(x: np.ndarray) -> int:
    """The number of tile rows of all images of x [B, C, H, W]."""
    return len(x) * ((x.shape[2] + 1) // 2)


@njit(nogil=True, cache=True)
def transform_one_filter(g, transformed, o, c):
    """G g G^T of one filter g [3, 3], written to transformed [16, O, C] at o and c."""
    half = np.float32(0.5)
    for p in range(4):
        if p == 0 or p == 3:
            row = 0 if p == 0 else 2
            left = g[row, 0]
            middle = g[row, 1]
            right = g[row, 2]
        else:
            sign = half if p == 1 else -half
            left = half * (g[0, 0] + g[2, 0]) + sign * g[1, 0]
            middle = half * (g[0, 1] + g[2, 1]) + sign * g[1, 1]
            right = half * (g[0, 2] + g[2, 2]) + sign * g[1, 2]
        outer = half * (left + right)
        middle = half * middle
        transformed[4 * p, o, c] = left
        transformed[4 * p + 1, o, c] = outer + middle
        transformed[4 * p + 2, o, c] = outer - middle
        transformed[4 * p + 3, o, c] = right


@njit(nogil=True, cache=True)
def filter_transform(weight, low, high, transformed):
    """Fill output channels low .. high of transformed [16, O, C] from a weight [O, C, 3, 3]."""
    for o in range(low, high):
        for c in range(weight.shape[1]):
            transform_one_filter(weight[o, c], transformed, o, c)


@njit(nogil=True, cache=True)
def transposed_filter_transform(weight, low, high, transformed):
    """Fill channels low .. high of transformed [16, C, O] from a weight [O, C, 3, 3], for the gradient of x.

    The filters are rotated by 180 degrees, and in and out channels are swapped.
    """
    for c in range(low, high):
        for o in range(weight.shape[0]):
            transform_one_filter(weight[o, c, ::-1, ::-1], transformed, c, o)


@njit(nogil=True, cache=True)
def filter_transform_gradient(transformed, low, high, weight):
    """G^T dU G: from the gradient of the transformed filters to that of the filters.

    Args:
        transformed: float32 [16, O, C], dU.
        low, high: the output channels that are filled.
        weight: float32 [O, C, 3, 3], the result.
    """
    half = np.float32(0.5)
    rows = np.empty((3, 4), np.float32)
    for o in range(low, high):
        for c in range(weight.shape[1]):
            for q in range(4):
                first = transformed[q, o, c]
                second = transformed[4 + q, o, c]
                third = transformed[8 + q, o, c]
                fourth = transformed[12 + q, o, c]
                both = half * (second + third)
                rows[0, q] = first + both
                rows[1, q] = half * (second - third)
                rows[2, q] = both + fourth
            for i in range(3):
                both = half * (rows[i, 1] + rows[i, 2])
                weight[o, c, i, 0] = rows[i, 0] + both
                weight[o, c, i, 1] = half * (rows[i, 1] - rows[i, 2])
                weight[o, c, i, 2] = both + rows[i, 3]


@njit(nogil=True, cache=True, inline="always")  # not inlined, its callers take 1.7 times as long
def matrix_row(transformed, k, c, start, count):
    """Elements k .. k + 3 of channel c of transformed [16, C, T]: views of `count` tiles from `start` on."""
    end = start + count
    return (
        transformed[k, c, start:end],
        transformed[k + 1, c, start:end],
        transformed[k + 2, c, start:end],
        transformed[k + 3, c, start:end],
    )


@njit(nogil=True, cache=True)
def input_transform(x, start, transformed):
    """B^T d B: fill transformed [16, C, T] from tile row `start` of x [B, C, H, W] on, padded with zeros."""
    height, width = x.shape[2:]
    rows = (height + 1) // 2
    columns = (width + 1) // 2
    lines = np.zeros((4, 2 * columns + 2), np.float32)  # B^T d of a tile row; column w of x is at w + 1
    zeros = np.zeros(width, np.float32)
    for c in range(transformed.shape[1]):
        for number in range(transformed.shape[2] // columns):
            n = (start + number) // rows
            row = 2 * ((start + number) % rows)
            above = x[n, c, row - 1] if row > 0 else zeros
            first = x[n, c, row]
            second = x[n, c, row + 1] if row + 1 < height else zeros
            below = x[n, c, row + 2] if row + 2 < height else zeros
            for w in range(width):
                lines[0, w + 1] = above[w] - second[w]
                lines[1, w + 1] = first[w] + second[w]
                lines[2, w + 1] = second[w] - first[w]
                lines[3, w + 1] = first[w] - below[w]
            for p in range(4):
                line = lines[p]
                v0, v1, v2, v3 = matrix_row(transformed, 4 * p, c, number * columns, columns)
                for j in range(columns):
                    before = line[2 * j]
                    left = line[2 * j + 1]
                    right = line[2 * j + 2]
                    after = line[2 * j + 3]
                    v0[j] = before - right
                    v1[j] = left + right
                    v2[j] = right - left
                    v3[j] = left - after


@njit(nogil=True, cache=True)
def output_transform(transformed, start, bias, y):
    """A^T M A + bias [O]: fill y [B, O, H, W] from tile row `start` on, given transformed [16, O, T]."""
    height, width = y.shape[2:]
    rows = (height + 1) // 2
    columns = (width + 1) // 2
    upper = np.empty(2 * columns, np.float32)
    lower = np.empty(2 * columns, np.float32)
    for c in range(transformed.shape[1]):
        add = bias[c]
        for number in range(transformed.shape[2] // columns):
            n = (start + number) // rows
            row = 2 * ((start + number) % rows)
            m = transformed[:, c, number * columns : (number + 1) * columns]
            for j in range(columns):
                # M A, row by row
                left0 = m[0, j] + m[1, j] + m[2, j]
                right0 = m[1, j] - m[2, j] - m[3, j]
                left1 = m[4, j] + m[5, j] + m[6, j]
                right1 = m[5, j] - m[6, j] - m[7, j]
                left2 = m[8, j] + m[9, j] + m[10, j]
                right2 = m[9, j] - m[10, j] - m[11, j]
                left3 = m[12, j] + m[13, j] + m[14, j]
                right3 = m[13, j] - m[14, j] - m[15, j]
                # A^T (M A)
                upper[2 * j] = left0 + left1 + left2 + add
                upper[2 * j + 1] = right0 + right1 + right2 + add
                lower[2 * j] = left1 - left2 - left3 + add
                lower[2 * j + 1] = right1 - right2 - right3 + add
            y[n, c, row] = upper[:width]
            if row + 1 < height:
                y[n, c, row + 1] = lower[:width]


@njit(nogil=True, cache=True)
def output_transform_gradient(gradient, start, transformed):
    """A dY A^T: fill transformed [16, O, T] from tile row `start` of y's gradient [B, O, H, W] on."""
    height, width = gradient.shape[2:]
    rows = (height + 1) // 2
    columns = (width + 1) // 2
    lines = np.zeros((4, 2 * columns), np.float32)  # A dY of a tile row
    zeros = np.zeros(width, np.float32)
    for c in range(transformed.shape[1]):
        for number in range(transformed.shape[2] // columns):
            n = (start + number) // rows
            row = 2 * ((start + number) % rows)
            first = gradient[n, c, row]
            second = gradient[n, c, row + 1] if row + 1 < height else zeros
            for w in range(width):
                lines[0, w] = first[w]
                lines[1, w] = first[w] + second[w]
                lines[2, w] = first[w] - second[w]
                lines[3, w] = -second[w]
            for p in range(4):
                line = lines[p]
                m0, m1, m2, m3 = matrix_row(transformed, 4 * p, c, number * columns, columns)
                for j in range(columns):
                    left = line[2 * j]
                    right = line[2 * j + 1]
                    m0[j] = left
                    m1[j] = left + right
                    m2[j] = left - right
                    m3[j] = -right


def split_range(low: int, high: int, count: int) -> list[tuple[int, int]]:
    """[(start, end)] of at most `count` parts of low .. high of nearly equal length; none is empty."""
    cuts = [low + (high - low) * number // count for number in range(count + 1)]
    return [(start, end) for start, end in zip(cuts, cuts[1:]) if start < end]


def strips(low: int, high: int, width: int) -> list[tuple[int, int]]:
    """(start, end) of parts of tile rows low .. high, of about TILES_PER_STRIP tiles each."""
    return split_range(low, high, -(-(high - low) * ((width + 1) // 2) // TILES_PER_STRIP))


def transform_buffer(name: str, x: np.ndarray, tile_rows: int) -> np.ndarray:
    """The calling thread's scratch buffer float32 [16, C, T] for that many tile rows of x [B, C, H, W]."""
    return scratch_buffer(name, (16, x.shape[1], tile_rows * ((x.shape[3] + 1) // 2)))


def forward(
    x: np.ndarray, transformed_weight: np.ndarray, bias: np.ndarray, y: np.ndarray, low: int, high: int
) -> None:
    """Fill tile rows low .. high of y.

    Args:
        x: float32 [B, C, H, W].
        transformed_weight: float32 [16, O, C], from `filter_transform` or `transposed_filter_transform`.
        bias: float32 [O].
        y: float32 [B, O, H, W], the result.
    """
    for start, end in strips(low, high, x.shape[3]):
        transformed_x = transform_buffer("transformed x", x, end - start)
        transformed_y = transform_buffer("transformed y", y, end - start)
        input_transform(x, start, transformed_x)
        for k in range(16):
            matmul(transformed_weight[k], transformed_x[k], transformed_y[k])
        output_transform(transformed_y, start, bias, y)


def weight_gradient(x: np.ndarray, gradient: np.ndarray, low: int, high: int, sums: np.ndarray) -> None:
    """Add the part of tile rows low .. high to the gradient of the transformed weight.

    Args:
        x: float32 [B, C, H, W].
        gradient: float32 [B, O, H, W], the gradient of y.
        sums: float32 [16, O, C], dU, which is added to; `filter_transform_gradient` makes it the weight's
            gradient.
    """
    for start, end in strips(low, high, x.shape[3]):
        transformed_x = transform_buffer("transformed x", x, end - start)
        transformed_y = transform_buffer("transformed y", gradient, end - start)
        input_transform(x, start, transformed_x)
        output_transform_gradient(gradient, start, transformed_y)
        for k in range(16):
            matmul(transformed_y[k], transformed_x[k], sums[k], transpose_b=True, accumulate=True)
