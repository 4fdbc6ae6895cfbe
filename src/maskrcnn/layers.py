"""The few layers the network is built from: convolution, dense, the norms, and a convolution with its norm folded in."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import HeNormal, Normal, Uniform, initializer
from mindspore.communication import GlobalComm, get_group_size
from mindspore.ops.operations._grad_ops import BiasAddGrad

from .cpu import onednn
from .ops.constants import norm_groups


class Conv(nn.Cell):
    """Convolution of [B, C, H, W] with 'same'-style padding of (kernel - 1) / 2, computed in `dtype`, stored in float32.

    `init` is 'he' (He et al. 2015, fan out), 'xavier' (Caffe2's, as FPN uses), or a standard deviation. `cpu_kernel`: computed by the CPU
    kernel (`conv_kernel.py`), which takes static shapes and float32 only; `input_gradient` False: x is the picture, which needs none.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel,
        stride=1,
        bias=True,
        init="he",
        dtype=ms.float32,
        cpu_kernel=False,
        input_gradient=True,
    ):
        super().__init__()
        self.stride, self.padding, self.dtype = stride, (kernel - 1) // 2, dtype
        # A 1x1 convolution is a matrix product as it stands: there the operator is as good.
        own = cpu_kernel and kernel > 1 and dtype == ms.float32 and onednn.is_available()
        self.kernel_convolution = KernelConvolution(kernel, stride, input_gradient) if own else None
        shape = (out_channels, in_channels, kernel, kernel)
        self.weight = Parameter(
            initializer(weight_init(init, in_channels * kernel * kernel), shape, ms.float32)
        )
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32)) if bias else None

    def apply(self, x, weight, bias):
        bias = None if bias is None else bias.astype(self.dtype)
        if self.kernel_convolution is not None:
            return self.kernel_convolution(
                x, weight, ops.zeros((weight.shape[0],), ms.float32) if bias is None else bias
            )
        return ops.conv2d(
            x.astype(self.dtype), weight.astype(self.dtype), bias, self.stride, "pad", self.padding
        )

    def construct(self, x):
        return self.apply(x, self.weight, self.bias)


class KernelConvolution(nn.Cell):
    """y = conv(x, weight) + bias by the CPU kernel, with its gradients; float32 and static shapes. x's own only if `input_gradient`."""

    def __init__(self, kernel, stride, input_gradient=True):
        super().__init__()
        from .cpu.conv_kernel import conv_operators  # imported here: Numba is needed on the CPU only

        self.input_gradient = input_gradient
        self.forward_operator, self.gradient_operator = conv_operators(
            kernel, stride, (kernel - 1) // 2, input_gradient
        )
        self.bias_gradient = BiasAddGrad()

    def construct(self, x, weight, bias):
        return self.forward_operator(x, weight, bias)

    def bprop(self, x, weight, bias, out, dout):
        if self.input_gradient:
            dx, of_weight = self.gradient_operator(x, weight, dout)
        else:
            dx, of_weight = ops.zeros_like(x), self.gradient_operator(x, weight, dout)
        return dx, of_weight, self.bias_gradient(dout)


class Dense(nn.Cell):
    """y = x W^T + b for x [N, in], computed in `dtype`."""

    def __init__(self, in_channels, out_channels, init="xavier", dtype=ms.float32):
        super().__init__()
        self.dtype = dtype
        self.weight = Parameter(
            initializer(weight_init(init, in_channels), (out_channels, in_channels), ms.float32)
        )
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32))
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x):
        return ops.bias_add(
            self.matmul(x.astype(self.dtype), self.weight.astype(self.dtype)), self.bias.astype(self.dtype)
        )


def weight_init(init, fan_in):
    if init == "he":
        return HeNormal(mode="fan_out", nonlinearity="relu")
    if init == "xavier":
        return Uniform(math.sqrt(3.0 / fan_in))
    return Normal(init)


class FrozenNorm(nn.Cell):
    """A batch norm that never changes: its four arrays are stored, the convolution before it takes them in, or it acts by itself."""

    def __init__(self, channels, eps, folds=True):
        super().__init__()
        self.eps, self.folds = eps, folds
        self.gamma = Parameter(initializer("ones", (channels,)), requires_grad=False)
        self.beta = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_mean = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_variance = Parameter(initializer("ones", (channels,)), requires_grad=False)

    def scale_and_shift(self):
        return norm_affine(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)

    def construct(self, x):
        scale, shift = self.scale_and_shift()
        return x * scale.astype(x.dtype).reshape(1, -1, 1, 1) + shift.astype(x.dtype).reshape(1, -1, 1, 1)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the device's batch in training; folded into its convolution in inference."""

    def __init__(self, channels, eps):
        super().__init__(channels, eps, momentum=0.9)

    @property
    def folds(self):
        return not self.training

    def scale_and_shift(self):
        return norm_affine(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)


class SyncBatchNorm(nn.Cell):
    """Batch norm over the batches of all devices in training; folded in inference. Sums are all-reduced, and so are their gradients.

    wide: the type in which maps are scaled and shifted; statistics are float32.
    """

    wide = ms.float32

    def __init__(self, channels, eps):
        super().__init__()
        self.eps, self.momentum = eps, 0.9
        self.gamma = Parameter(initializer("ones", (channels,)))
        self.beta = Parameter(initializer("zeros", (channels,)))
        self.moving_mean = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_variance = Parameter(initializer("ones", (channels,)), requires_grad=False)
        self.device_num = get_group_size() if GlobalComm.INITED else 1
        self.all_reduce = ops.AllReduce() if self.device_num > 1 else None

    @property
    def folds(self):
        return not self.training

    def scale_and_shift(self):
        return norm_affine(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)

    def construct(self, x):
        wide = x.astype(ms.float32)
        count = x.shape[0] * x.shape[2] * x.shape[3] * self.device_num
        mean = self.total(wide.sum((0, 2, 3))) / count
        centered = wide - mean.reshape(1, -1, 1, 1)
        variance = self.total(ops.square(centered).sum((0, 2, 3))) / count
        # Moving statistics as in BatchNorm: of the unbiased variance.
        kept = ops.depend(
            ops.assign(
                self.moving_mean,
                self.momentum * self.moving_mean + (1 - self.momentum) * ops.stop_gradient(mean),
            ),
            ops.assign(
                self.moving_variance,
                self.momentum * self.moving_variance
                + (1 - self.momentum) * ops.stop_gradient(variance) * (count / max(count - 1, 1)),
            ),
        )
        scale = (self.gamma * ops.rsqrt(variance + self.eps)).astype(self.wide)
        y = centered.astype(self.wide) * scale.reshape(1, -1, 1, 1) + self.beta.astype(self.wide).reshape(
            1, -1, 1, 1
        )
        return ops.depend(y, kept).astype(x.dtype)

    def total(self, value):
        return value if self.device_num == 1 else self.all_reduce(value)


class GroupNorm(nn.Cell):
    """Group norm (Wu & He 2018): 32 groups, or fewer so that a group has at least 4 channels. wide: the type it computes in."""

    folds, wide = False, ms.float32

    def __init__(self, channels, eps):
        super().__init__()
        self.eps = eps
        self.groups = norm_groups(channels)
        self.gamma = Parameter(initializer("ones", (channels,)))
        self.beta = Parameter(initializer("zeros", (channels,)))

    def construct(self, x):
        return ops.group_norm(
            x.astype(self.wide),
            self.groups,
            self.gamma.astype(self.wide),
            self.beta.astype(self.wide),
            self.eps,
        ).astype(x.dtype)


NORMS = {"frozen": FrozenNorm, "bn": BatchNorm, "sync_bn": SyncBatchNorm, "gn": GroupNorm}


def norm_list(kind, channels, eps):
    """A CellList of norms of `channels` (a list), or an empty one where `kind` is 'none'."""
    return nn.CellList([] if kind == "none" else [NORMS[kind](count, eps) for count in channels])


def norm_affine(gamma, beta, mean, variance, eps):
    """(scale, shift), each [C]: what an inference-time batch norm does to a channel."""
    scale = gamma * ops.rsqrt(variance + eps)
    return scale, beta - mean * scale


def conv_norm(conv, norm, x):
    """norm(conv(x)). A norm that only scales and shifts is folded into the weight: one pass over the map instead of two.

    The gradient reaches the raw weight through the product, so stored weight and norm stay apart.
    """
    if norm.folds:
        scale, shift = norm.scale_and_shift()
        return conv.apply(x, conv.weight * scale.reshape(-1, 1, 1, 1), shift)
    return norm(conv(x))


def conv_norm_at(convs, norms, i, x):
    """convs[i] of x, with norms[i] where there are norms (`norm_list`)."""
    return conv_norm(convs[i], norms[i], x) if len(norms) > 0 else convs[i](x)


def pad_zeros(x, axis, before, after):
    """x with zeros before and after it along `axis`.

    `ops.pad` must not be used where gradients flow: MindSpore 2.8's gradient of it on the CPU is wrong from the second call on.
    """
    parts = ()
    if before:
        parts += (ops.zeros(x.shape[:axis] + (before,) + x.shape[axis + 1 :], x.dtype),)
    parts += (x,)
    if after:
        parts += (ops.zeros(x.shape[:axis] + (after,) + x.shape[axis + 1 :], x.dtype),)
    return ops.concat(parts, axis) if len(parts) > 1 else x


def constant(array, dtype=ms.float32):
    """A NumPy array as a graph constant."""
    return Tensor(array, dtype)
