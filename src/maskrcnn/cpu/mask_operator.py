"""The mask head's CPU kernels (`mask_kernel.py`) as cells of the graph.

Every parameter of the head is an argument of its own: `ops.Custom` counts inputs by a function's named
arguments. They are weight and bias of the four convolutions (w1, b1, ... w4, b4), of the transposed one and
of the logits.
"""

from __future__ import annotations

import numba
from mindspore import nn, ops

from .custom_operator import custom_operator
from .mask_kernel import mask_logits, mask_loss


class MaskLogitsKernel(nn.Cell):
    """(pooled, classes, roi_valid, the head's parameters) -> the result of `mask_logits`; no gradient."""

    def __init__(self):
        super().__init__()
        threads = numba.get_num_threads()

        def valid_mask_logits(
            pooled, classes, roi_valid, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        ):
            parameters = (w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias)
            return mask_logits(threads, pooled, classes, roi_valid, *parameters)

        def shape(pooled, *_):
            return [pooled[0], 2 * pooled[2], 2 * pooled[3]]

        def dtype(pooled, *_):
            return pooled

        self.operator = custom_operator(valid_mask_logits, shape, dtype)

    def construct(
        self, pooled, classes, roi_valid, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
    ):
        return self.operator(
            pooled, classes, roi_valid, w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias
        )


# fmt: off
class MaskLossKernel(nn.Cell):
    """(pooled, classes, roi_valid, targets, the head's parameters) -> the results of `mask_loss`.

    Only the first of them, the loss, has a gradient.
    """

    def __init__(self):
        super().__init__()
        threads = numba.get_num_threads()

        def mask_loss_with_gradients(
            pooled, classes, roi_valid, targets,
            w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias,
        ):
            parameters = (w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias)
            return mask_loss(threads, pooled, classes, roi_valid, targets, *parameters)

        def shape(pooled, classes, roi_valid, targets, *parameters):
            return [1], pooled, *parameters

        def dtype(pooled, classes, roi_valid, targets, *parameters):
            return pooled, pooled, *parameters

        self.operator = custom_operator(mask_loss_with_gradients, shape, dtype)

    def construct(
        self, pooled, classes, roi_valid, targets,
        w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias,
    ):
        return self.operator(
            pooled, classes, roi_valid, targets,
            w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias,
        )

    def bprop(
        self, pooled, classes, roi_valid, targets,
        w1, b1, w2, b2, w3, b3, w4, b4, up, up_bias, logits, logits_bias, out, dout,
    ):
        gradients = ()
        for i in range(2, 14):
            gradients += (out[i] * dout[0],)
        return (
            out[1] * dout[0],
            ops.zeros_like(classes),
            ops.zeros_like(roi_valid),
            ops.zeros_like(targets),
        ) + gradients
