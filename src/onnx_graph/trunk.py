"""Picture to pyramid to the RPN's maps, as `ResNet`, `FeaturePyramid` and `RPN` compute them."""

from __future__ import annotations

import numpy as np


def normalised(graph, image, config):
    """(float32 [B, 3, H, W], factor [3]): the picture uint8 [B, H, W, 3] less its mean, in RGB, and what its channels are still to be divided by."""
    order = slice(None) if config.channel_order == "RGB" else slice(None, None, -1)
    mean, std = (np.array(config[name], np.float32)[order] for name in ("img_mean", "img_std"))
    x = graph.cast(graph("Transpose", image, perm=[0, 3, 1, 2]), "float32")
    return graph("Sub", x, mean.reshape(1, 3, 1, 1)), std


def resnet(layers, image, config, norm):
    """[C2, C3, C4, C5] of image uint8 [B, H, W, 3]; norm: the norms' kind.

    Division by the deviation and BGR order are folded into the stem's weight. After a ReLU a padded max-pool is the same whatever it pads with.
    """
    graph = layers.graph
    graph.part = "stem"
    x, std = normalised(graph, image, config)
    weight, bias = layers.weights["backbone.conv1.weight"], None
    if norm != "gn":
        weight, bias = layers.fold(weight, "backbone.bn1")
    if config.channel_order == "BGR":
        weight = weight[:, ::-1]
    x = layers.convolve(x, weight / std.reshape(1, 3, 1, 1).astype(np.float64), bias, 2)
    x = graph("Relu", layers.group_norm(x, "backbone.bn1") if norm == "gn" else x)
    x = graph("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    maps = []
    for stage, blocks in enumerate(config.resnet_block, 1):
        for block in range(blocks):
            graph.part = name = f"layer{stage}.{block}"
            x = bottleneck(
                layers,
                x,
                f"backbone.{name}",
                2 if stage > 1 and block == 0 else 1,
                config.stride_in_1x1,
                norm,
            )
        maps.append(x)
    return maps


def bottleneck(layers, x, name, stride, stride_in_1x1, norm):
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    y = layers.conv(x, f"{name}.conv1", first, norm, f"{name}.bn1", relu=True)
    y = layers.conv(y, f"{name}.conv2", second, norm, f"{name}.bn2", relu=True)
    y = layers.conv(y, f"{name}.conv3", 1, norm, f"{name}.bn3")
    if f"{name}.down_sample.0.weight" in layers.weights:
        x = layers.conv(x, f"{name}.down_sample.0", stride, norm, f"{name}.down_sample.1")
    return layers.graph("Relu", layers.graph("Add", y, x))


def pyramid(layers, maps, norm):
    """[P2, ..., P6] of [C2, ..., C5]; norm: fpn_norm."""
    graph, outputs, above = layers.graph, [], None
    graph.part = "fpn"
    for i in (3, 2, 1, 0):
        merged = layers.conv(maps[i], f"fpn.lateral.{i}", 1, norm, f"fpn.lateral_norm.{i}")
        if above is not None:
            up = graph(
                "Resize",
                above,
                "",
                np.array([1, 1, 2, 2], np.float32),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            merged = graph("Add", merged, up)
        outputs.insert(0, layers.conv(merged, f"fpn.output.{i}", 1, norm, f"fpn.output_norm.{i}"))
        above = merged
    return outputs + [graph("MaxPool", outputs[3], kernel_shape=[1, 1], strides=[2, 2])]  # every other cell


def rpn_head(layers, features, config):
    """(logits, deltas): a level each of float32 [B, hwA] and [B, hwA, 4], in the anchors' order (y, x, anchor).

    Scores and deltas are one convolution, so that its input is read once. A softmax of two needs the difference of its two scores only,
    which is a convolution with the difference of their weights.
    """
    graph, count = layers.graph, config.num_anchors
    weights = [
        layers.weights[f"rpn.{name}.{leaf}"].astype(np.float64)
        for leaf in ("weight", "bias")
        for name in ("cls", "reg")
    ]
    if not config.use_sigmoid_cls:
        weights[0], weights[2] = (array[1::2] - array[0::2] for array in (weights[0], weights[2]))
    weight, bias = (
        np.concatenate(weights[:2]).astype(np.float32),
        np.concatenate(weights[2:]).astype(np.float32),
    )
    hidden = layers.weights["rpn.conv.weight"], layers.weights["rpn.conv.bias"]
    logits, deltas = [], []
    for level, feature in enumerate(features, 2):
        graph.part = f"rpn/P{level}"
        x = layers.convolve(graph("Relu", layers.convolve(feature, *hidden)), weight, bias)
        scores, boxes = graph(
            "Split", graph("Transpose", x, perm=[0, 2, 3, 1]), [count, 4 * count], axis=3, outputs=2
        )
        logits.append(graph("Reshape", scores, [0, -1]))
        deltas.append(graph("Reshape", boxes, [0, -1, 4]))
    return logits, deltas
