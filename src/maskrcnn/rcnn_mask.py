"""The mask branch (He et al. 2017): four convolutions, a transposed one that doubles the side, one mask a class; its loss."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import initializer

from .cpu import onednn
from .layers import Conv, conv_norm_at, norm_list, weight_init
from .ops.losses import sigmoid_cross_entropy


class MaskHead(nn.Cell):
    """RoI features [R, C, 14, 14] and classes int32 [R] -> mask logits float32 [R, 28, 28] of each RoI's own class.

    Two layers are computed in a shape of their own. The transposed convolution of kernel and stride 2 is a 1x1 convolution to four
    sub-pixels of every cell, and since all that follows works a pixel at a time, the four are put in their places only at the end, on
    the one channel that is left. The last 1x1 convolution has an output a class of which one is used, so only its row is multiplied.
    """

    def __init__(self, config, dtype=ms.float32, kernels=True):
        super().__init__()
        width, self.dtype = config.rcnn_mask_out_channels, dtype
        self.loss_weight = config.rcnn_loss_mask_fb_weight
        self.batch_matmul = ops.BatchMatMul()
        inputs = [config.rcnn_in_channels] + [width] * 3
        self.conv = nn.CellList(
            [
                Conv(channels, width, 3, bias=config.rcnn_mask_norm == "none", dtype=dtype)
                for channels in inputs
            ]
        )
        self.norms = norm_list(config.rcnn_mask_norm, [width] * 4, config.norm_eps)
        # [in, out, 2, 2], as transposed convolutions are stored everywhere
        self.up_weight = Parameter(
            initializer(weight_init(math.sqrt(2.0 / width), width), (width, width, 2, 2))
        )
        self.up_bias = Parameter(initializer("zeros", (width,)))
        self.logits_weight = Parameter(initializer(weight_init(0.001, width), (config.num_classes, width)))
        self.logits_bias = Parameter(initializer("zeros", (config.num_classes,)))
        self.kernel = self.logits_kernel = None
        if kernels and dtype == ms.float32 and config.rcnn_mask_norm == "none" and onednn.is_available():
            from .cpu.mask_operator import (
                MaskLogitsKernel,
                MaskLossKernel,
            )  # imported here: Numba is needed on the CPU only

            self.kernel, self.logits_kernel = MaskLossKernel(), MaskLogitsKernel()

    def construct(self, features, classes):
        x = features
        for i in range(len(self.conv)):
            x = ops.relu(conv_norm_at(self.conv, self.norms, i, x))
        count, width, height, side = x.shape
        weight = self.up_weight.transpose(2, 3, 1, 0).reshape(4 * width, width, 1, 1).astype(self.dtype)
        bias = self.up_bias.expand_dims(0).tile((4, 1)).reshape(-1).astype(self.dtype)
        x = ops.relu(ops.conv2d(x, weight, bias))
        row = (
            ops.gather(self.logits_weight, classes, 0)
            .astype(self.dtype)
            .expand_dims(1)
            .tile((1, 4, 1))
            .reshape(-1, 1, width)
        )
        logits = self.batch_matmul(row, x.reshape(-1, width, height * side))
        logits = (
            logits.reshape(-1, 2, 2, height, side)
            .transpose(0, 3, 1, 4, 2)
            .reshape(-1, 2 * height, 2 * side)
            .astype(ms.float32)
        )
        return logits + ops.gather(self.logits_bias, classes, 0).reshape(-1, 1, 1)

    def loss_of(self, features, classes, chosen, targets, normalize):
        """The loss of the chosen (bool [R]) of RoI features [R, C, 14, 14], whose classes are int32 [R] and targets 0/1 [R, 28, 28]."""
        weight = chosen.astype(ms.float32)
        if self.kernel is None:
            return self.loss(self.construct(features, classes), targets, weight, normalize)
        return (
            self.loss_weight
            * self.kernel(features, classes, chosen, targets, *self.parameters_in_order())[0].sum()
            / normalize(weight.sum())
        )

    def logits_of(self, features, classes, chosen):
        """As `construct`, by the kernel: float32 [R, 28, 28] of the chosen (bool [R]), zeros for the others."""
        return self.logits_kernel(features, classes, chosen, *self.parameters_in_order())

    def parameters_in_order(self):
        """Weight and bias of each layer, from the first to the last, as the kernels take them."""
        parameters = ()
        for conv in self.conv:
            parameters += (conv.weight, conv.bias)
        return parameters + (self.up_weight, self.up_bias, self.logits_weight, self.logits_bias)

    def loss(self, logits, targets, weight, normalize):
        """Mean binary cross entropy of logits [R, 28, 28] with 0/1 targets over the RoIs of weight 1 (float32 [R])."""
        count = normalize(weight.sum())
        return self.loss_weight * (weight * sigmoid_cross_entropy(logits, targets).mean((1, 2))).sum() / count
