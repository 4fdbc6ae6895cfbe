"""Convolution and fully connected layers; `norms.py` has the norms."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import HeNormal, Normal, Uniform, initializer
from mindspore.ops.auto_generate.gen_ops_prim import Conv2DExt
from mindspore.ops.operations._grad_ops import BiasAddGrad

from .cpu import onednn


def own_value(parameter, dtype):
    """What a layer computes with in place of a trained parameter: its own value in that type.

    A layer calls it by its attribute NAME_value, for the parameter NAME and the type NAME_type. So
    `engine/training/joined_weights.py` can hand out a part of a larger array instead.
    """
    return parameter.astype(dtype)


def convolution(x, weight, bias, stride, padding):
    return ops.conv2d(x, weight, bias, stride, "pad", padding)


def convolution_at_once(x, weight, bias, stride, padding):
    """The same for Ascend alone: one operator with the bias, and one for all three gradients."""
    return conv2d_ext(x, weight, bias, stride, padding)


conv2d_ext = Conv2DExt()


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

    Attributes:
        weight_type, bias_type: In which its own weight and bias come, and their gradients. float32 where
            they are multiplied or summed before they are rounded to `dtype`.
        has_input_gradient: Whether its input needs a gradient.
        convolution: The function that computes it.
    """

    weight_value = bias_value = staticmethod(own_value)
    convolution = staticmethod(convolution)

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
        self.weight_type = dtype
        self.bias_type = dtype
        self.has_input_gradient = input_gradient
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
        return self.convolve(x, self.own_weight(), self.own_bias())

    def own_weight(self):
        return self.weight_value(self.weight, self.weight_type)

    def own_bias(self):
        return None if self.bias is None else self.bias_value(self.bias, self.bias_type)

    def convolve(self, x, weight, bias):
        """The convolution of x with a given weight and bias (or None), such as with a norm folded in."""
        bias = None if bias is None else bias.astype(self.dtype)
        if self.kernel_convolution is not None:
            return self.kernel_convolution(
                x, weight, ops.zeros((weight.shape[0],), ms.float32) if bias is None else bias
            )
        x = x.astype(self.dtype)
        return self.convolution(x, weight.astype(self.dtype), bias, self.stride, self.padding)


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

    weight_value = bias_value = staticmethod(own_value)

    def __init__(self, in_channels, out_channels, init="xavier", dtype=ms.float32):
        super().__init__()
        self.dtype = dtype
        self.weight_type = dtype
        self.bias_type = dtype
        self.weight = Parameter(
            initializer(weight_init(init, in_channels), (out_channels, in_channels), ms.float32)
        )
        self.bias = Parameter(initializer("zeros", (out_channels,), ms.float32))
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x):
        product = self.matmul(x.astype(self.dtype), self.weight_value(self.weight, self.weight_type))
        return ops.bias_add(product, self.bias_value(self.bias, self.bias_type))


def weight_init(init, fan_in):
    """The initialiser for 'he', 'xavier' or a standard deviation."""
    if init == "he":
        return HeNormal(mode="fan_out", nonlinearity="relu")
    if init == "xavier":
        return Uniform(math.sqrt(3.0 / fan_in))
    return Normal(init)
