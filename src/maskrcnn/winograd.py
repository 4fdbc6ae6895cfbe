"""3x3 convolutions of stride 1 with two thirds of the products, on the CPU: Winograd's F(2, 3) down the rows (Lavin & Gray 2016).

Rows 2t and 2t + 1 of y need rows 2t - 1 .. 2t + 2 of x. With those four mixed into as many others, and the kernel's three rows into four, y's two
rows are sums of four convolutions along rows (1x3) where nine taps would be six: y = A^T [(G w) * (B^T x)]. What mixes rows costs an addition
or two a number; the convolutions are oneDNN's. Mixed rows of all maps lie one below the other, so small maps are computed together.

A 'tile' is such a pair of rows: map n's tile t is number n T + t, where T is half of the rows of a map, rounded up.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from src.maskrcnn.onednn import convolution, scratch

CELLS = 2048             # of a strip: mixed rows of as many cells at a time stay in the cache


def worth(weight, stride, cells):
    """Whether it is faster than nine taps, for a weight [O, C, k, k] and as many cells of all maps: weights are mixed too, and cost their time."""
    return stride == 1 and weight[2] == 3 and min(weight[:2]) >= 128 and cells >= 2 * max(weight[:2])


def tiles_of(x):
    """How many tiles the maps x [B, C, H, W] have."""
    return len(x) * ((x.shape[2] + 1) // 2)


@njit(nogil=True, cache=True)
def mixed_weight(weight):
    """G w: float32 [4, O, C, 1, 3] of a weight [O, C, 3, 3]."""
    outputs, inputs = weight.shape[:2]
    mixed, half = np.empty((4, outputs, inputs, 1, 3), np.float32), np.float32(0.5)
    for o in range(outputs):
        for c in range(inputs):
            for j in range(3):
                outer, middle = half * (weight[o, c, 0, j] + weight[o, c, 2, j]), half * weight[o, c, 1, j]
                mixed[0, o, c, 0, j], mixed[3, o, c, 0, j] = weight[o, c, 0, j], weight[o, c, 2, j]
                mixed[1, o, c, 0, j], mixed[2, o, c, 0, j] = outer + middle, outer - middle
    return mixed


@njit(nogil=True, cache=True)
def mixed_turned_weight(weight):
    """`mixed_weight` of the weight [C, O, 3, 3] by which y's gradient becomes x's, given that by which x becomes y, [O, C, 3, 3]."""
    outputs, inputs = weight.shape[:2]
    mixed, half = np.empty((4, inputs, outputs, 1, 3), np.float32), np.float32(0.5)
    for c in range(inputs):
        for o in range(outputs):
            for j in range(3):
                outer, middle = half * (weight[o, c, 0, 2 - j] + weight[o, c, 2, 2 - j]), half * weight[o, c, 1, 2 - j]
                mixed[0, c, o, 0, j], mixed[3, c, o, 0, j] = weight[o, c, 2, 2 - j], weight[o, c, 0, 2 - j]
                mixed[1, c, o, 0, j], mixed[2, c, o, 0, j] = outer + middle, outer - middle
    return mixed


@njit(nogil=True, cache=True)
def weight_of(mixed):
    """G^T: the gradient of a weight [O, C, 3, 3], given that of its `mixed_weight`."""
    outputs, inputs = mixed.shape[1:3]
    weight, half = np.empty((outputs, inputs, 3, 3), np.float32), np.float32(0.5)
    for o in range(outputs):
        for c in range(inputs):
            for j in range(3):
                both = half * (mixed[1, o, c, 0, j] + mixed[2, o, c, 0, j])
                weight[o, c, 0, j], weight[o, c, 2, j] = mixed[0, o, c, 0, j] + both, both + mixed[3, o, c, 0, j]
                weight[o, c, 1, j] = half * (mixed[1, o, c, 0, j] - mixed[2, o, c, 0, j])
    return weight


@njit(nogil=True, cache=True)
def mix_rows(x, start, mixed):
    """B^T x: fill mixed [4, C, tiles, W] from tile `start` of x [B, C, H, W] on; zeros beyond a map's edge."""
    height, width = x.shape[2:]
    tiles, nothing = (height + 1) // 2, np.zeros(width, np.float32)
    for c in range(mixed.shape[1]):
        for place in range(mixed.shape[2]):
            n, row = (start + place) // tiles, 2 * ((start + place) % tiles)
            above = x[n, c, row - 1] if row > 0 else nothing
            first = x[n, c, row]
            second = x[n, c, row + 1] if row + 1 < height else nothing
            below = x[n, c, row + 2] if row + 2 < height else nothing
            a, b, d, e = mixed[0, c, place], mixed[1, c, place], mixed[2, c, place], mixed[3, c, place]
            for w in range(width):
                a[w] = above[w] - second[w]
                b[w] = first[w] + second[w]
                d[w] = second[w] - first[w]
                e[w] = first[w] - below[w]


@njit(nogil=True, cache=True)
def take_rows(mixed, start, y):
    """A^T: fill the rows of tile `start` of y [B, O, H, W] and on from mixed [4, O, tiles, W]."""
    height, width = y.shape[2:]
    tiles = (height + 1) // 2
    for c in range(mixed.shape[1]):
        for place in range(mixed.shape[2]):
            n, row = (start + place) // tiles, 2 * ((start + place) % tiles)
            a, b, d, e = mixed[0, c, place], mixed[1, c, place], mixed[2, c, place], mixed[3, c, place]
            first = y[n, c, row]
            for w in range(width):
                first[w] = a[w] + b[w] + d[w]
            if row + 1 < height:
                second = y[n, c, row + 1]
                for w in range(width):
                    second[w] = b[w] - d[w] - e[w]


@njit(nogil=True, cache=True)
def mix_gradient(gradient, start, mixed):
    """A: fill mixed [4, O, tiles, W] from tile `start` of y's gradient [B, O, H, W] on."""
    height, width = gradient.shape[2:]
    tiles, nothing = (height + 1) // 2, np.zeros(width, np.float32)
    for c in range(mixed.shape[1]):
        for place in range(mixed.shape[2]):
            n, row = (start + place) // tiles, 2 * ((start + place) % tiles)
            first = gradient[n, c, row]
            second = gradient[n, c, row + 1] if row + 1 < height else nothing
            a, b, d, e = mixed[0, c, place], mixed[1, c, place], mixed[2, c, place], mixed[3, c, place]
            for w in range(width):
                a[w] = first[w]
                b[w] = first[w] + second[w]
                d[w] = first[w] - second[w]
                e[w] = -second[w]


def strips(tiles, width):
    """(first tile, end) of parts of `tiles` (first, end), of some CELLS each and as equal as can be."""
    low, high = tiles
    parts = max(1, -(-(high - low) * width // CELLS))
    cuts = [low + (high - low) * part // parts for part in range(parts + 1)]
    return list(zip(cuts, cuts[1:]))


def room(maps, tiles, name):
    """Where so many tiles of `maps` are mixed: float32 [4, C, tiles, W]."""
    return scratch(name, (4, maps.shape[1], tiles, maps.shape[3]))


def forward(x, mixed, bias, y, tiles):
    """Fill `tiles` (first, end) of y [B, O, H, W], given x [B, C, H, W], a `mixed_weight` [4, O, C, 1, 3] and bias [O]."""
    nothing = np.zeros_like(bias)
    for start, end in strips(tiles, x.shape[3]):
        of_x, of_y = room(x, end - start, "mixed x"), room(y, end - start, "mixed y")
        mix_rows(x, start, of_x)
        run = convolution("forward", of_x[:1].shape, mixed[0].shape, of_y[:1].shape, 1, (0, 1)).run
        for k in range(4):
            run(of_x[k:k + 1], mixed[k], of_y[k:k + 1], bias if k == 1 else nothing)          # both rows take the second as it is
        take_rows(of_y, start, y)


def weight_gradient(x, gradient, tiles):
    """What `tiles` (first, end) of x [B, C, H, W] and of y's gradient [B, O, H, W] give of the gradient of a `mixed_weight`."""
    sums = np.empty((4, gradient.shape[1], x.shape[1], 1, 3), np.float32)
    part = scratch("weight", sums[0].shape)
    for number, (start, end) in enumerate(strips(tiles, x.shape[3])):
        of_x, of_y = room(x, end - start, "mixed x"), room(gradient, end - start, "mixed y")
        mix_rows(x, start, of_x)
        mix_gradient(gradient, start, of_y)
        run = convolution("weight", of_x[:1].shape, part.shape, of_y[:1].shape, 1, (0, 1)).run
        for k in range(4):
            run(of_x[k:k + 1], part if number else sums[k], of_y[k:k + 1])
            if number:
                sums[k] += part
    return sums
