"""Group norm (Wu & He 2018) on the CPU, compiled by Numba, as custom operators.

MindSpore 2.8's operator takes about 3.8 ns a number forward, and as much back. A custom operator takes static
shapes only: where the number of RoIs follows from the data, MindSpore's operator is used.
"""

from __future__ import annotations

import numpy as np
from mindspore import ops
from numba import njit, prange

from .custom_operator import custom_operator

# Sums may be computed in parts, which the processor adds at once. Infinities and NaN stay what they are.
_REORDERED_SUMS = {"reassoc", "contract"}


@njit(parallel=True, cache=True, fastmath=_REORDERED_SUMS)
def normalize_groups(x, gamma, beta, groups, eps, y, mean, scale):
    """Fill y with the group norm of x, and the two statistics of each group.

    Args:
        x: float32 [B, C, N], the cells of a map in one axis.
        gamma, beta: float32 [C].
        groups: how many groups the C channels are in.
        eps: float32, added to the variance.
        y: float32 [B, C, N], result.
        mean: float32 [B, G], result.
        scale: float32 [B, G], result: 1 / sqrt(variance + eps).
    """
    batch, channels, cells = x.shape
    width = channels // groups
    count = np.float32(width * cells)
    for job in prange(batch * groups):
        n = job // groups
        group = job % groups
        first = group * width
        total = np.float32(0)
        for c in range(first, first + width):
            for i in range(cells):
                total += x[n, c, i]
        center = total / count
        squares = np.float32(0)
        for c in range(first, first + width):
            for i in range(cells):
                squares += (x[n, c, i] - center) * (x[n, c, i] - center)
        factor = np.float32(1) / np.sqrt(squares / count + eps)
        mean[n, group] = center
        scale[n, group] = factor
        for c in range(first, first + width):
            channel_factor = factor * gamma[c]
            for i in range(cells):
                y[n, c, i] = (x[n, c, i] - center) * channel_factor + beta[c]


@njit(parallel=True, cache=True, fastmath=_REORDERED_SUMS)
def normalize_groups_gradient(gradient, x, gamma, mean, scale, dx, dgamma, dbeta):
    """Fill the gradients of `normalize_groups`.

    Args:
        gradient: float32 [B, C, N], that of y.
        x, gamma, mean, scale: as in `normalize_groups`.
        dx: float32 [B, C, N], result.
        dgamma, dbeta: float32 [B, C], results of each image.
    """
    batch, channels, cells = x.shape
    groups = mean.shape[1]
    width = channels // groups
    count = np.float32(width * cells)
    for job in prange(batch * groups):
        n = job // groups
        group = job % groups
        first = group * width
        center = mean[n, group]
        factor = scale[n, group]
        sum_gradient = np.float32(0)
        sum_product = np.float32(0)
        for c in range(first, first + width):
            total = np.float32(0)
            product = np.float32(0)
            for i in range(cells):
                total += gradient[n, c, i]
                product += gradient[n, c, i] * (x[n, c, i] - center)
            dbeta[n, c] = total
            dgamma[n, c] = product * factor
            sum_gradient += total * gamma[c]
            sum_product += product * gamma[c]
        shift = sum_gradient / count
        slope = sum_product * factor * factor / count
        for c in range(first, first + width):
            for i in range(cells):
                centered = x[n, c, i] - center
                dx[n, c, i] = factor * (gradient[n, c, i] * gamma[c] - shift - centered * slope)


def group_norm_operators(groups: int, eps: float) -> tuple[ops.Custom, ops.Custom]:
    """The custom operators of group norm and its gradient.

    Returns:
        (x [B, C, H, W], gamma [C], beta [C]) -> y, mean [B, groups], scale [B, groups];
        (y's gradient, x, gamma, mean, scale) -> the gradients of x, gamma and beta. All float32.
    """
    small = np.float32(eps)

    def group_norm(x, gamma, beta):
        y = np.empty(x.shape, np.float32)
        mean = np.empty((x.shape[0], groups), np.float32)
        scale = np.empty((x.shape[0], groups), np.float32)
        flat = (*x.shape[:2], -1)
        normalize_groups(x.reshape(flat), gamma, beta, groups, small, y.reshape(flat), mean, scale)
        return y, mean, scale

    def group_norm_gradient(gradient, x, gamma, mean, scale):
        dx = np.empty(x.shape, np.float32)
        dgamma = np.empty(x.shape[:2], np.float32)
        dbeta = np.empty(x.shape[:2], np.float32)
        flat = (*x.shape[:2], -1)
        normalize_groups_gradient(
            gradient.reshape(flat), x.reshape(flat), gamma, mean, scale, dx.reshape(flat), dgamma, dbeta
        )
        return dx, dgamma.sum(0), dbeta.sum(0)

    def shape(x, gamma, beta):
        return x, [x[0], groups], [x[0], groups]

    def gradient_shape(gradient, x, gamma, mean, scale):
        return x, gamma, gamma

    def dtype(x, *_):
        return x, x, x

    return custom_operator(group_norm, shape, dtype), custom_operator(
        group_norm_gradient, gradient_shape, dtype
    )
