"""The mask head as ONNX nodes, as `MaskHead` computes it."""

from __future__ import annotations

from typing import List, Sequence

import numpy as np

from ..config import Config
from .detections import Detections
from .graph import Graph
from .layers import Layers
from .roi_align import roi_align


def make_masks(
    layers: Layers, features: Sequence[str], detections: Detections, config: Config, winograd: bool = True
) -> str:
    """Mask probabilities float32 [B, D, 2s, 2s] in the boxes' frames; zeros in slots without a detection.

    Args:
        features: P2 to P5.
        winograd: see `mask_head`.
    """
    graph = layers.graph
    slots = config.test_max_per_img
    side = config.mask_shape[0]
    graph.scope = "mask_align"
    det_valid = graph.flatten(detections.valid)
    boxes = graph("Reshape", detections.boxes, [-1, 4])
    size = config.roi_layer["mask_out_size"]
    pooled, det_index = roi_align(graph, features, boxes, det_valid, slots, size, config)
    labels = graph("Gather", graph.flatten(detections.labels), det_index)
    logits = mask_head(layers, pooled, labels, config, winograd)
    graph.scope = "masks"
    pooled_valid = graph.cast(graph("Gather", det_valid, det_index), "float32")
    pooled_valid = graph("Reshape", pooled_valid, [-1, 1, 1])
    no_masks = graph.full(graph("Concat", graph.row_count(det_valid), [side, side], axis=0), np.float32(0))
    scatter_index = graph("Unsqueeze", det_index, [1])
    masks = graph("Mul", graph("Sigmoid", logits), pooled_valid)
    masks = graph("ScatterND", no_masks, scatter_index, masks)
    return graph("Reshape", masks, [-1, slots, side, side])


def mask_head(layers: Layers, pooled: str, labels: str, config: Config, winograd: bool = True) -> str:
    """Mask logits [R, 2s, 2s] of pooled [R, channels, s, s], each for its label int64 [R].

    As in `MaskHead`, the transposed convolution is a 1x1 convolution to the four pixels of a cell.
    The pixels are put in order at the end.

    Args:
        winograd: whether 3x3 convolutions are computed by Winograd's algorithm where they can be.
    """
    graph = layers.graph
    weights = layers.weights
    side = config.roi_layer["mask_out_size"]
    width = config.rcnn_mask_out_channels
    graph.scope = "mask_head"
    # Winograd's algorithm needs an even number of rows, and a convolution with its bias, without a group norm
    use_winograd = winograd and config.rcnn_mask_norm != "gn" and side % 2 == 0
    parts = split_even_odd_rows(graph, pooled, side) if use_winograd else [pooled]
    for i in range(4):
        name = f"mask_head.conv.{i}"
        norm_name = f"mask_head.norms.{i}"
        if use_winograd:
            weight, bias = layers.folded_weights(name, config.rcnn_mask_norm, norm_name)
            parts = winograd_conv(layers, *parts, weight, bias)
        else:
            parts = [layers.conv(parts[0], name, 1, config.rcnn_mask_norm, norm_name, relu=True)]
    class_weight = graph("Gather", weights["mask_head.logits_weight"], labels)
    class_weight = graph("Reshape", class_weight, [-1, 1, 1, width])
    up_weight = weights["mask_head.up_weight"].transpose(2, 3, 1, 0).reshape(4 * width, width, 1, 1)
    up_bias = np.tile(weights["mask_head.up_bias"], 4)
    part_rows = side // len(parts)
    logits = []
    for part in parts:
        x = graph("Relu", layers.add_conv(part, up_weight, up_bias))
        x = graph("MatMul", class_weight, graph("Reshape", x, [-1, 4, width, part_rows * side]))
        logits.append(graph("Reshape", x, [-1, 2, 2, part_rows, 1, side]))
    # [R, pixel row in a cell, pixel column in a cell, row of a part, part, column]
    x = graph("Concat", *logits, axis=4) if use_winograd else logits[0]
    x = graph("Reshape", graph("Transpose", x, perm=[0, 3, 4, 1, 5, 2]), [-1, 2 * side, 2 * side])
    class_bias = graph("Gather", weights["mask_head.logits_bias"], labels)
    return graph("Add", x, graph("Reshape", class_bias, [-1, 1, 1]))


def split_even_odd_rows(graph: Graph, x: str, side: int) -> List[str]:
    """[even rows, odd rows], each [R, C, side / 2, side], of x [R, C, side, side]."""
    row_pairs = graph("Reshape", x, [0, 0, side // 2, 2 * side])
    return graph("Split", row_pairs, [side, side], axis=3, outputs=2)


def winograd_conv(layers: Layers, even: str, odd: str, weight: np.ndarray, bias: np.ndarray) -> List[str]:
    """A 3x3 convolution and a ReLU of a map that is given as its even and its odd rows.

    Winograd's F(2, 3) (Lavin & Gray 2016) along the rows: two output rows need 4 products for each column of
    the kernel, not 6. The result differs by rounding only. In the paper's names, with the rows g0, g1, g2 of
    the kernel, for even row k and odd row k:
        input transform: d0 = odd row k - 1, d1 = even row k, d2 = odd row k, d3 = even row k + 1
        products: m1 = (d0 - d2) g0, m2 = (d1 + d2) (g0 + g1 + g2) / 2,
            m3 = (d2 - d1) (g0 - g1 + g2) / 2, m4 = (d1 - d3) g2
        output transform: even row = m1 + m2 + m3, odd row = m2 - m3 - m4

    Args:
        even, odd: [R, C, side / 2, side] each.
        weight: [out, C, 3, 3].
        bias: [out].

    Returns:
        [even rows, odd rows] of the result.
    """
    graph = layers.graph
    out_channels, in_channels = weight.shape[:2]
    g0, g1, g2 = np.moveaxis(weight.astype(np.float64), 2, 0)
    m1 = _row_conv(graph, _combine_rows(graph, odd, [1, -1, 0], in_channels), g0, bias)
    minus_m4 = _row_conv(graph, _combine_rows(graph, even, [0, -1, 1], in_channels), g2, bias)
    m2 = _row_conv(graph, graph("Add", even, odd), (g0 + g1 + g2) / 2)
    difference = graph("Add", _combine_rows(graph, even, [-1], in_channels), odd)
    m3 = _row_conv(graph, difference, (g0 - g1 + g2) / 2)
    even_output = graph("Relu", graph("Add", m1, graph("Add", m2, m3)))
    minus_m3 = _combine_rows(graph, m3, [-1], out_channels)
    odd_output = graph("Relu", graph("Add", minus_m4, graph("Add", minus_m3, m2)))
    return [even_output, odd_output]


def _combine_rows(graph, x, factors, channels):
    """A weighted sum of each row of x and its neighbours. It is a convolution of each channel for itself.

    Args:
        factors: of the row above, the row and the row below; or of the row alone.
    """
    kernel = np.tile(np.array(factors, np.float32).reshape(1, 1, -1, 1), (channels, 1, 1, 1))
    padding = len(factors) // 2
    return graph(
        "Conv", x, kernel, group=channels, kernel_shape=[len(factors), 1], pads=[padding, 0, padding, 0]
    )


def _row_conv(graph, x, kernel, bias=None):
    """A convolution within the rows; kernel [out, in, 3]."""
    inputs = [x, kernel[:, :, None].astype(np.float32)]
    if bias is not None:
        inputs.append(bias.astype(np.float32))
    return graph("Conv", *inputs, kernel_shape=[1, 3], pads=[0, 1, 0, 1])
