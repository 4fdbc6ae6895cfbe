"""Convolutions, dense layers and norms as ONNX nodes, with the network's weights.

A norm that only scales and shifts is folded into the convolution before it.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

import numpy as np

from ..maskrcnn.ops.constants import norm_groups
from .graph import Graph


class Layers:
    """The layers of a network.

    Attributes:
        graph: the nodes are added to it.
        weights: {parameter name: array}.
        norm_eps: epsilon of the norms.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], norm_eps: float):
        self.graph = graph
        self.weights = weights
        self.norm_eps = norm_eps

    def conv(
        self,
        x: str,
        name: str,
        stride: int = 1,
        norm: str = "none",
        norm_name: Optional[str] = None,
        relu: bool = False,
    ) -> str:
        """A convolution of the network, with its norm and a ReLU.

        Args:
            x: input [B, C, H, W].
            name: the convolution's name in the network.
            stride: its stride.
            norm: kind of the norm: 'none', 'gn', or one that is folded.
            norm_name: the norm's name in the network.
            relu: whether a ReLU follows.
        """
        if norm == "gn":
            y = self.add_conv(x, self.weights[f"{name}.weight"], stride=stride)
            y = self.group_norm(y, norm_name)
        else:
            weight, bias = self.folded_weights(name, norm, norm_name)
            y = self.add_conv(x, weight, bias, stride)
        return self.graph("Relu", y) if relu else y

    def folded_weights(self, name: str, norm: str, norm_name: Optional[str]) -> Tuple[np.ndarray, np.ndarray]:
        """(weight, bias) of a convolution with its norm, which is 'none' or one that can be folded."""
        if norm == "none":
            return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.fold_norm(self.weights[f"{name}.weight"], norm_name)

    def fold_norm(self, weight: np.ndarray, norm_name: str) -> Tuple[np.ndarray, np.ndarray]:
        """(weight, bias), float64, of a convolution without bias and a norm that scales and shifts."""
        gamma, beta, mean, variance = (
            self.weights[f"{norm_name}.{leaf}"].astype(np.float64)
            for leaf in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + self.norm_eps)
        return weight * scale[:, None, None, None], beta - mean * scale

    def add_conv(self, x: str, weight: np.ndarray, bias: Optional[np.ndarray] = None, stride: int = 1) -> str:
        """A convolution with weight [out, in, k, k] and bias [out], padded by (k - 1) / 2 on each side."""
        side = weight.shape[2]
        inputs = [x, weight.astype(np.float32, copy=False)]
        if bias is not None:
            inputs.append(bias.astype(np.float32))
        return self.graph(
            "Conv", *inputs, kernel_shape=[side, side], strides=[stride, stride], pads=[(side - 1) // 2] * 4
        )

    def group_norm(self, x: str, name: str) -> str:
        """A group norm, made of InstanceNormalization: ONNX has a group norm from opset 18 only."""
        gamma = self.weights[f"{name}.gamma"]
        beta = self.weights[f"{name}.beta"]
        groups = norm_groups(len(gamma))
        y = self.graph(
            "InstanceNormalization",
            self.graph("Reshape", x, [0, groups, -1]),
            np.ones(groups, np.float32),
            np.zeros(groups, np.float32),
            epsilon=float(self.norm_eps),
        )
        y = self.graph("Reshape", y, self.graph("Shape", x))
        y = self.graph("Mul", y, gamma.reshape(-1, 1, 1))
        return self.graph("Add", y, beta.reshape(-1, 1, 1))

    def dense(self, x: str, name: str, relu: bool = False) -> str:
        """y = x W^T + b of x [N, in]."""
        y = self.graph("Gemm", x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], transB=1)
        return self.graph("Relu", y) if relu else y
