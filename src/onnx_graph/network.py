"""The inference network as an ONNX model, written from the network's weights; no MindSpore takes part.

MindSpore's own ONNX export cannot hold the network (docs/design.md). This one has true shapes where padding would cost time: heads work on
real RoIs only, and the batch is as large as what it is given.
"""

from __future__ import annotations

import json

from .boxes import limits
from .graph import Graph
from .heads import detections, masks
from .layers import Layers
from .proposals import proposals
from .runtime import SETTINGS
from .trunk import pyramid, resnet, rpn_head


def onnx_model(config, norm, weights, settings):
    """The ModelProto. norm: the trunk's kind of norm; weights: {parameter name: float32 array}; settings: what travels inside, JSON-able.

    Inputs and outputs are `MaskRcnn`'s: image uint8 [B, H, W, 3] and image_meta float32 [B, 6] to boxes, scores, labels, found and masks.
    """
    graph = Graph()
    layers = Layers(graph, weights, config.norm_eps)
    features = pyramid(layers, resnet(layers, "image", config, norm), config.fpn_norm)
    logits, deltas = rpn_head(layers, features, config)
    graph.part = "proposals"
    limit = limits(graph, "image_meta")
    rois, valid, count = proposals(graph, logits, deltas, config, limit)
    boxes, scores, labels, found = detections(layers, features[:4], rois, valid, count, config, limit)
    pasted = masks(layers, features[:4], boxes, labels, found, config)
    slots, side = config.test_max_per_img, config.mask_shape[0]
    outputs = {
        "boxes": ("float32", ["batch", slots, 4], boxes),
        "scores": ("float32", ["batch", slots], scores),
        "labels": ("int32", ["batch", slots], graph.cast(labels, "int32")),
        "found": ("bool", ["batch", slots], found),
        "masks": ("float32", ["batch", slots, side, side], pasted),
    }
    inputs = {
        "image": ("uint8", ["batch", config.img_height, config.img_width, 3]),
        "image_meta": ("float32", ["batch", 6]),
    }
    return graph.model(
        inputs,
        outputs,
        {SETTINGS: json.dumps(settings)},
        "Mask R-CNN: boxes in canvas pixels, masks in the boxes' frames",
    )
