"""The pointwise losses the heads share; all in float32."""

from __future__ import annotations

import mindspore as ms
from mindspore import ops


def smooth_l1(error, beta):
    """Elementwise: error^2 / (2 beta) under beta, |error| - beta / 2 from there on (Girshick 2015); beta 0 is plain L1."""
    size = ops.abs(error)
    if beta == 0:
        return size
    return ops.select(size < beta, 0.5 / beta * error * error, size - 0.5 * beta)


def cross_entropy(logits, labels):
    """[R] from logits [R, C] and int32 labels [R]."""
    log_probabilities = ops.log_softmax(logits.astype(ms.float32), -1)
    return -ops.gather_elements(log_probabilities, 1, labels.expand_dims(-1))[:, 0]


def sigmoid_cross_entropy(logits, targets):
    """Elementwise, stable for large logits: max(x, 0) - x t + log(1 + exp(-|x|))."""
    logits = logits.astype(ms.float32)
    # One comparison makes max and |x|, so that the gradient at 0, where dead features leave a logit, is 1/2 - t too.
    positive = logits >= 0
    largest, minus_size = (
        ops.select(positive, logits, ops.zeros_like(logits)),
        ops.select(positive, -logits, logits),
    )
    return largest - logits * targets + ops.log1p(ops.exp(minus_size))
