"""The pointwise losses that the heads share; all in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import mindspore as ms
from mindspore import ops


@dataclass(frozen=True)
class BoxLossSettings:
    """How a stage (the RPN, or the box head) encodes boxes and computes its two losses.

    A head reads the values when it is built; a compiled graph cannot hold a dataclass.

    Attributes:
        means, stds: Of the box deltas, four numbers each.
        beta: Where smooth L1 turns from square to line.
        cls_weight: What the class (or objectness) loss is multiplied by.
        reg_weight: What the box loss is multiplied by.
    """

    means: Sequence[float]
    stds: Sequence[float]
    beta: float
    cls_weight: float
    reg_weight: float


def smooth_l1(error, beta):
    """Elementwise smooth L1 loss (Girshick 2015); `beta` 0 is plain L1.

    It is error^2 / (2 beta) where |error| < beta, and |error| - beta / 2 elsewhere.
    """
    size = ops.abs(error)
    if beta == 0:
        return size
    return ops.select(size < beta, 0.5 / beta * error * error, size - 0.5 * beta)


def cross_entropy(logits, labels):
    """float32 [R]: softmax cross entropy of logits [R, C] with labels int32 [R]."""
    log_probabilities = ops.log_softmax(logits.astype(ms.float32), -1)
    return -ops.gather_elements(log_probabilities, 1, labels.expand_dims(-1))[:, 0]


def sigmoid_cross_entropy(logits, targets):
    """Elementwise sigmoid cross entropy, stable for large logits: max(x, 0) - x t + log(1 + exp(-|x|))."""
    logits = logits.astype(ms.float32)
    # max(x, 0) and |x| follow from one comparison. So the gradient at x = 0, which features of zero give,
    # is 1/2 - t, as everywhere else sigmoid(x) - t.
    positive = logits >= 0
    maximum = ops.select(positive, logits, ops.zeros_like(logits))
    negative_size = ops.select(positive, -logits, logits)
    return maximum - logits * targets + ops.log1p(ops.exp(negative_size))
