"""The mask head (He et al. 2017): four convolutions, a transposed one, a mask for each class; its loss."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import initializer

from .cpu import onednn
from .layers import Conv, own_value, weight_init
from .norms import PADDED_CHANNELS, conv_norm_at, norm_list
from .ops.losses import sigmoid_cross_entropy


class MaskHead(nn.Cell):
    """RoI features [R, C, 14, 14] and classes int32 [R] -> mask logits float32 [R, 28, 28] of those classes.

    The last two layers are not computed as they are usually written:

    - The transposed convolution has kernel and stride 2. So it is a 1x1 convolution to four sub-pixels of
      every cell. The last layer has a 1x1 kernel, so the sub-pixels are put in order after it, when one
      channel is left.
    - Of the last layer's outputs, one for each class, only that of the RoI's class is computed.

    Args:
        in_channels: Channels of the RoI features.
        channels: Channels of all layers but the last.
        num_classes: With the background.
        norm: The 3x3 convolutions' norm: 'none', 'bn', 'sync_bn' or 'gn'.
        norm_eps: Added to the norms' variance.
        loss_weight: What the loss is multiplied by.
        dtype: What convolutions compute in.
        kernels: Whether compiled CPU kernels (`mask_operator.py`, group norm) may be used.

    Attributes:
        is_padded: As of `BoxHead`, in training.
    """

    up_weight_value = up_bias_value = logits_weight_value = logits_bias_value = staticmethod(own_value)
    # Their gradients are sums over sub-pixels, or over the RoIs of a class.
    up_bias_type = logits_weight_type = logits_bias_type = ms.float32

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        norm: str = "none",
        norm_eps: float = 1e-5,
        loss_weight: float = 1.0,
        dtype: ms.Type = ms.float32,
        kernels: bool = True,
    ):
        super().__init__()
        self.dtype = dtype
        self.up_weight_type = dtype
        self.loss_weight = loss_weight
        self.batch_matmul = ops.BatchMatMul()
        self.conv = nn.CellList(
            [
                Conv(inputs, channels, 3, bias=norm == "none", dtype=dtype)
                for inputs in [in_channels] + [channels] * 3
            ]
        )
        norm_kernels = kernels and dtype == ms.float32
        self.is_padded = norm_kernels and norm == "gn" and channels <= PADDED_CHANNELS
        self.norms = norm_list(norm, [channels] * 4, norm_eps, norm_kernels)
        # [in, out, 2, 2], the usual layout of a transposed convolution
        self.up_weight = Parameter(
            initializer(weight_init(math.sqrt(2.0 / channels), channels), (channels, channels, 2, 2))
        )
        self.up_bias = Parameter(initializer("zeros", (channels,)))
        self.logits_weight = Parameter(initializer(weight_init(0.001, channels), (num_classes, channels)))
        self.logits_bias = Parameter(initializer("zeros", (num_classes,)))
        self.loss_kernel = None
        self.logits_kernel = None
        if kernels and dtype == ms.float32 and norm == "none" and onednn.is_available():
            from .cpu import mask_operator  # here, as only the CPU needs Numba

            self.loss_kernel = mask_operator.MaskLossKernel()
            self.logits_kernel = mask_operator.MaskLogitsKernel()

    def construct(self, features, classes):
        x = features
        for i in range(len(self.conv)):
            x = ops.relu(conv_norm_at(self.conv, self.norms, i, x))
        _, channels, height, width = x.shape
        up_weight = self.up_weight_value(self.up_weight, self.up_weight_type)
        up_weight = up_weight.transpose(2, 3, 1, 0).reshape(4 * channels, channels, 1, 1)
        up_bias = self.up_bias_value(self.up_bias, self.up_bias_type)
        up_bias = up_bias.expand_dims(0).tile((4, 1)).reshape(-1)
        x = ops.relu(ops.conv2d(x, up_weight, up_bias.astype(self.dtype)))
        x = x.reshape(-1, channels, height * width)  # [4R, C, hw]
        logits_weight = self.logits_weight_value(self.logits_weight, self.logits_weight_type)
        class_weight = ops.gather(logits_weight, classes, 0).astype(self.dtype)
        class_weight = class_weight.expand_dims(1).tile((1, 4, 1)).reshape(-1, 1, channels)
        logits = self.batch_matmul(class_weight, x).reshape(-1, 2, 2, height, width)
        logits = logits.transpose(0, 3, 1, 4, 2).reshape(-1, 2 * height, 2 * width).astype(ms.float32)
        logits_bias = self.logits_bias_value(self.logits_bias, self.logits_bias_type)
        return logits + ops.gather(logits_bias, classes, 0).reshape(-1, 1, 1)

    def loss(self, features, classes, roi_valid, targets, normalize):
        """The mean binary cross entropy of the valid RoIs' masks, times `loss_weight`.

        Args:
            features: float32 [R, C, 14, 14].
            classes: int32 [R].
            roi_valid: bool [R].
            targets: float32 [R, 28, 28], 0 or 1.
            normalize: A function of a count on this device, the divisor over all devices.

        Returns:
            float32 scalar.
        """
        weight = roi_valid.astype(ms.float32)
        if self.loss_kernel is None:
            return self.loss_of_logits(self.construct(features, classes), targets, weight, normalize)
        outputs = self.loss_kernel(features, classes, roi_valid, targets, *self.parameters_in_order())
        return self.loss_weight * outputs[0].sum() / normalize(weight.sum())

    def loss_of_logits(self, logits, targets, weight, normalize):
        """The same of logits float32 [R, 28, 28] and weights float32 [R], 1 for a valid RoI."""
        count = normalize(weight.sum())
        loss = weight * sigmoid_cross_entropy(logits, targets).mean((1, 2))
        return self.loss_weight * loss.sum() / count

    def valid_logits(self, features, classes, roi_valid):
        """As `construct`, by the kernel, for the valid RoIs (bool [R]); zeros for the others."""
        return self.logits_kernel(features, classes, roi_valid, *self.parameters_in_order())

    def parameters_in_order(self):
        """Weight and bias of each layer, from the first to the last, as the kernels take them."""
        parameters = ()
        for conv in self.conv:
            parameters += (conv.weight, conv.bias)
        return parameters + (self.up_weight, self.up_bias, self.logits_weight, self.logits_bias)
