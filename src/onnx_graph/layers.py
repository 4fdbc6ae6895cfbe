"""Convolutions, dense layers and norms as ONNX nodes, from the network's weights by name. Norms that only scale and shift are folded."""

from __future__ import annotations

import numpy as np

from ..maskrcnn.ops.constants import norm_groups


class Layers:
    """The layers of a network: graph, {parameter name: array} and the norms' epsilon."""

    def __init__(self, graph, weights, eps):
        self.graph, self.weights, self.eps = graph, weights, eps

    def conv(self, x, name, stride=1, norm="none", norm_name=None, relu=False):
        """The convolution `name` of x, with the norm `norm_name` of the kind `norm` ('none', 'gn', or one that is folded), and a ReLU."""
        weight, bias = (
            (self.weights[f"{name}.weight"], None) if norm == "gn" else self.folded(name, norm, norm_name)
        )
        y = self.convolve(x, weight, bias, stride)
        y = self.group_norm(y, norm_name) if norm == "gn" else y
        return self.graph("Relu", y) if relu else y

    def folded(self, name, norm, norm_name):
        """(weight, bias) of the convolution `name` with the norm, 'none' or one that is folded, taken in."""
        if norm == "none":
            return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.fold(self.weights[f"{name}.weight"], norm_name)

    def convolve(self, x, weight, bias=None, stride=1):
        """A convolution with 'same'-style padding; weight [out, in, k, k], bias [out] or None."""
        side = weight.shape[2]
        given = (x, weight.astype(np.float32, copy=False)) + (
            () if bias is None else (bias.astype(np.float32),)
        )
        return self.graph(
            "Conv", *given, kernel_shape=[side, side], strides=[stride, stride], pads=[(side - 1) // 2] * 4
        )

    def fold(self, weight, norm_name):
        """(weight, bias), float64, of a convolution without bias and the norm after it, which scales and shifts only."""
        gamma, beta, mean, variance = (
            self.weights[f"{norm_name}.{leaf}"].astype(np.float64)
            for leaf in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + self.eps)
        return weight * scale[:, None, None, None], beta - mean * scale

    def group_norm(self, x, name):
        """Group norm: InstanceNormalization of [N, groups, the rest], as ONNX has group norm from opset 18 on only."""
        gamma, beta = self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"]
        groups = norm_groups(len(gamma))
        y = self.graph(
            "InstanceNormalization",
            self.graph("Reshape", x, [0, groups, -1]),
            np.ones(groups, np.float32),
            np.zeros(groups, np.float32),
            epsilon=float(self.eps),
        )
        y = self.graph("Reshape", y, self.graph("Shape", x))
        return self.graph("Add", self.graph("Mul", y, gamma.reshape(-1, 1, 1)), beta.reshape(-1, 1, 1))

    def dense(self, x, name, relu=False):
        """y = x W^T + b of x [N, in]."""
        y = self.graph("Gemm", x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], transB=1)
        return self.graph("Relu", y) if relu else y
