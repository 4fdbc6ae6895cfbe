"""The inference network as an ONNX model, written from the network's weights without MindSpore.

MindSpore's own ONNX export cannot hold the network (docs/design.md). In this model the heads compute valid
RoIs only, without padding, and the batch may have any size.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

import numpy as np
import onnx

from ..config import Config
from .backbone import resnet
from .boxes import picture_limits
from .detections import make_detections
from .fpn import feature_pyramid
from .graph import Graph
from .layers import Layers
from .mask_head import make_masks
from .proposals import make_proposals
from .rpn import rpn_head


def onnx_model(
    config: Config,
    norm: str,
    weights: Mapping[str, np.ndarray],
    metadata: Mapping[str, Mapping[str, Any]],
    winograd: bool = True,
) -> onnx.ModelProto:
    """The network as an ONNX model with the inputs and outputs of `MaskRcnn`.

    Its inputs are image uint8 [B, H, W, 3] and image_meta float32 [B, 6]. Its outputs are boxes float32
    [B, D, 4], scores float32 [B, D], labels int32 [B, D], found bool [B, D] and masks float32 [B, D, 2s, 2s].

    Args:
        config: the network's configuration.
        norm: kind of the backbone's norms.
        weights: {parameter name: float32 array}.
        metadata: stored in the model as JSON, by entry: SETTINGS_ENTRY with the settings, and others.
        winograd: whether the mask head uses Winograd's algorithm: its sums are no good in 8 bits.
    """
    graph = Graph()
    layers = Layers(graph, weights, config.norm_eps)
    features = feature_pyramid(layers, resnet(layers, "image", config, norm), config.fpn_norm)
    logits, deltas = rpn_head(layers, features, config)
    graph.scope = "proposals"
    limits = picture_limits(graph, "image_meta")
    proposals = make_proposals(graph, logits, deltas, config, limits)
    roi_features = features[:4]  # P2 to P5
    detections = make_detections(layers, roi_features, proposals, config, limits)
    masks = make_masks(layers, roi_features, detections, config, winograd)
    slots = config.test_max_per_img
    side = config.mask_shape[0]
    outputs = {
        "boxes": ("float32", ["batch", slots, 4], detections.boxes),
        "scores": ("float32", ["batch", slots], detections.scores),
        "labels": ("int32", ["batch", slots], graph.cast(detections.labels, "int32")),
        "found": ("bool", ["batch", slots], detections.valid),
        "masks": ("float32", ["batch", slots, side, side], masks),
    }
    inputs = {
        "image": ("uint8", ["batch", config.img_height, config.img_width, 3]),
        "image_meta": ("float32", ["batch", 6]),
    }
    return graph.build_model(
        inputs,
        outputs,
        {entry: json.dumps(content) for entry, content in metadata.items()},
        "Mask R-CNN: boxes in canvas pixels, masks in the boxes' frames",
    )
