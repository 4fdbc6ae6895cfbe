"""The region proposal network as ONNX nodes, as `RPN` computes it."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

from ..config import Config
from .layers import Layers


def rpn_head(layers: Layers, features: Sequence[str], config: Config) -> Tuple[List[str], List[str]]:
    """(objectness logits, deltas) of P2 to P6.

    Objectness and deltas are one convolution, so that its input is read once.

    Returns:
        Two lists with an item for each level: float32 [B, h * w * A] and [B, h * w * A, 4],
        in the order of the anchors (y, x, anchor).
    """
    graph = layers.graph
    count = config.num_anchors
    weight, bias = output_weights(layers, config)
    hidden_weight = layers.weights["rpn.conv.weight"]
    hidden_bias = layers.weights["rpn.conv.bias"]
    logits = []
    deltas = []
    for level, feature in enumerate(features, 2):
        graph.scope = f"rpn/P{level}"
        x = graph("Relu", layers.add_conv(feature, hidden_weight, hidden_bias))
        x = graph("Transpose", layers.add_conv(x, weight, bias), perm=[0, 2, 3, 1])
        level_logits, level_deltas = graph("Split", x, [count, 4 * count], axis=3, outputs=2)
        logits.append(graph("Reshape", level_logits, [0, -1]))
        deltas.append(graph("Reshape", level_deltas, [0, -1, 4]))
    return logits, deltas


def output_weights(layers: Layers, config: Config) -> Tuple[np.ndarray, np.ndarray]:
    """(weight [A + 4A, C, 1, 1], bias [A + 4A]) of one convolution for objectness and deltas.

    A softmax over two scores needs only their difference. So with use_sigmoid_cls=False the convolution has
    the difference of their weights.
    """
    joined = []
    for leaf in ("weight", "bias"):
        objectness = layers.weights[f"rpn.cls.{leaf}"].astype(np.float64)
        deltas = layers.weights[f"rpn.reg.{leaf}"].astype(np.float64)
        if not config.use_sigmoid_cls:
            objectness = objectness[1::2] - objectness[0::2]
        joined.append(np.concatenate([objectness, deltas]).astype(np.float32))
    weight, bias = joined
    return weight, bias
