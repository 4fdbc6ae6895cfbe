"""Convolution and fully connected layers; `norms.py` has the norms."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import HeNormal, Normal, Uniform, initializer
from mindspore.ops.operations._grad_ops import BiasAddGrad

from .cpu import onednn


class Conv(nn.Cell):
    """Convolution of [B, C, H, W] with (kernel_size - 1) / 2 cells of padding; weights are stored in float32.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Its side.
        stride: In both directions.
        bias: Whether there is a bias.
        init: 'he' (He et al. 2015, fan out), 'xavier' (Caffe2's, as FPN uses it), or a standard deviation.
        dtype: What it computes in.
        cpu_kernel: Whether the compiled CPU kernel (`conv_kernel.py`) may be used. It takes static shapes
            only.
        input_gradient: False if the input is the image, which needs no gradient.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        bias=True,
        init="he",
        dtype=ms.float32,
        cpu_kernel=False,
        input_gradient=True,
    ):
        super().__init__()
        self.stride = stride
        self.padding = (kernel_size - 1) // 2
        self.dtype = dtype
        # The kernel computes in float32. For a 1x1 convolution, a matrix product, the operator is as fast.
        use_kernel = cpu_kernel and kernel_size > 1 and dtype == ms.float32 and onednn.is_available()
        self.kernel_convolution = (
            KernelConvolution(kernel_size, stride, input_gradient) if use_kernel else None
        )
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        fan_in = in_channels * kernel_size * kernel_size
        self.weight = Parameter(initializer(weight_init(init, fan_in), shape, ms.float32))
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32)) if bias else None

    def construct(self, x):
        return self.convolve(x, self.weight, self.bias)

    def convolve(self, x, weight, bias):
        """The convolution of x with a given weight and bias (or None), such as with a norm folded in."""
        bias = None if bias is None else bias.astype(self.dtype)
        if self.kernel_convolution is not None:
            return self.kernel_convolution(
                x, weight, ops.zeros((weight.shape[0],), ms.float32) if bias is None else bias
            )
        return ops.conv2d(
            x.astype(self.dtype), weight.astype(self.dtype), bias, self.stride, "pad", self.padding
        )


class KernelConvolution(nn.Cell):
    """conv(x, weight) + bias by the CPU kernel, with its gradients; float32 and static shapes.

    Args:
        kernel_size: The side of the weight.
        stride: In both directions.
        input_gradient: Whether x has a gradient; if not, it is zeros.
    """

    def __init__(self, kernel_size, stride, input_gradient=True):
        super().__init__()
        from .cpu.conv_kernel import conv_operators  # here, as only the CPU needs Numba

        self.input_gradient = input_gradient
        self.forward_operator, self.gradient_operator = conv_operators(
            kernel_size, stride, (kernel_size - 1) // 2, input_gradient
        )
        self.bias_gradient = BiasAddGrad()

    def construct(self, x, weight, bias):
        return self.forward_operator(x, weight, bias)

    def bprop(self, x, weight, bias, out, dout):
        if self.input_gradient:
            dx, dweight = self.gradient_operator(x, weight, dout)
        else:
            dx = ops.zeros_like(x)
            dweight = self.gradient_operator(x, weight, dout)
        return dx, dweight, self.bias_gradient(dout)


class Dense(nn.Cell):
    """x W^T + b for x [N, in_channels], computed in `dtype`; `init` as in `Conv`."""

    def __init__(self, in_channels, out_channels, init="xavier", dtype=ms.float32):
        super().__init__()
        self.dtype = dtype
        self.weight = Parameter(
            initializer(weight_init(init, in_channels), (out_channels, in_channels), ms.float32)
        )
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32))
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x):
        product = self.matmul(x.astype(self.dtype), self.weight.astype(self.dtype))
        return ops.bias_add(product, self.bias.astype(self.dtype))


def weight_init(init, fan_in):
    """The initialiser for 'he', 'xavier' or a standard deviation."""
    if init == "he":
        return HeNormal(mode="fan_out", nonlinearity="relu")
    if init == "xavier":
        return Uniform(math.sqrt(3.0 / fan_in))
    return Normal(init)
