"""The feature pyramid as ONNX nodes, as `FeaturePyramid` computes it."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

from .layers import Layers


def feature_pyramid(layers: Layers, maps: Sequence[str], norm: str) -> List[str]:
    """[P2, ..., P6] of [C2, ..., C5]; norm: the kind of the pyramid's norms (fpn_norm)."""
    graph = layers.graph
    graph.scope = "fpn"
    levels = []
    above = None
    for i in (3, 2, 1, 0):
        merged = layers.conv(maps[i], f"fpn.lateral.{i}", 1, norm, f"fpn.lateral_norm.{i}")
        if above is not None:
            upsampled = graph(
                "Resize",
                above,
                "",
                np.array([1, 1, 2, 2], np.float32),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            merged = graph("Add", merged, upsampled)
        levels.insert(0, layers.conv(merged, f"fpn.output.{i}", 1, norm, f"fpn.output_norm.{i}"))
        above = merged
    p6 = graph("MaxPool", levels[3], kernel_shape=[1, 1], strides=[2, 2])  # every second cell of P5
    return levels + [p6]
