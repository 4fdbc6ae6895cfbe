"""The backbone as ONNX nodes: from the image to C2 to C5, as `ResNet` computes them."""

from __future__ import annotations

from typing import List, Tuple

import numpy as np

from ..config import Config
from .graph import Graph
from .layers import Layers


def subtract_mean(graph: Graph, image: str, config: Config) -> Tuple[str, np.ndarray]:
    """(float32 [B, 3, H, W], std float32 [3]) of image uint8 [B, H, W, 3].

    The mean is subtracted and the channels are RGB. The caller has to divide by the standard deviation.
    """
    rgb_order = slice(None) if config.channel_order == "RGB" else slice(None, None, -1)
    mean = np.array(config.img_mean, np.float32)[rgb_order]
    std = np.array(config.img_std, np.float32)[rgb_order]
    x = graph.cast(graph("Transpose", image, perm=[0, 3, 1, 2]), "float32")
    return graph("Sub", x, mean.reshape(1, 3, 1, 1)), std


def resnet(layers: Layers, image: str, config: Config, norm: str) -> List[str]:
    """[C2, C3, C4, C5] of image uint8 [B, H, W, 3].

    The division by the pixels' standard deviation and BGR order are folded into the first convolution.

    Args:
        norm: kind of the norms.
    """
    graph = layers.graph
    graph.scope = "stem"
    x, std = subtract_mean(graph, image, config)
    weight = layers.weights["backbone.conv1.weight"]
    bias = None
    if norm != "gn":
        weight, bias = layers.fold_norm(weight, "backbone.bn1")
    if config.channel_order == "BGR":
        weight = weight[:, ::-1]
    x = layers.add_conv(x, weight / std.reshape(1, 3, 1, 1).astype(np.float64), bias, 2)
    if norm == "gn":
        x = layers.group_norm(x, "backbone.bn1")
    x = graph("Relu", x)
    # values are 0 or larger after a ReLU, so the value that the pooling pads with does not matter
    x = graph("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    maps = []
    for stage, block_count in enumerate(config.resnet_block, 1):
        for block in range(block_count):
            graph.scope = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            x = bottleneck(layers, x, f"backbone.{graph.scope}", stride, config.stride_in_1x1, norm)
        maps.append(x)
    return maps


def bottleneck(layers: Layers, x: str, name: str, stride: int, stride_in_1x1: bool, norm: str) -> str:
    """A bottleneck block: 1x1, 3x3 and 1x1 convolutions, and a shortcut."""
    first_stride, second_stride = (stride, 1) if stride_in_1x1 else (1, stride)
    y = layers.conv(x, f"{name}.conv1", first_stride, norm, f"{name}.bn1", relu=True)
    y = layers.conv(y, f"{name}.conv2", second_stride, norm, f"{name}.bn2", relu=True)
    y = layers.conv(y, f"{name}.conv3", 1, norm, f"{name}.bn3")
    if f"{name}.down_sample.0.weight" in layers.weights:
        x = layers.conv(x, f"{name}.down_sample.0", stride, norm, f"{name}.down_sample.1")
    return layers.graph("Relu", layers.graph("Add", y, x))
