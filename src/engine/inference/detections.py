"""Detections from batches of pictures."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Union

import numpy as np
from mindspore import Tensor, nn

from ...data.images.placement import to_picture
from ...onnx_graph.runtime import OnnxNetwork

Network = Union[nn.Cell, OnnxNetwork]


def detect(network: Union[Network, Callable], batch: Mapping[str, Any]) -> List[Dict[str, np.ndarray]]:
    """Detections of a batch's pictures, without those that fill the batch up.

    Args:
        network: Is called like `MaskRcnn`, or is an `OnnxNetwork`.
        batch: image uint8 [B, H, W, 3]; image_meta float32 [B, 6] (`Placement.meta`); count: how many of the
            B pictures do not just fill the batch up.

    Returns:
        A dict a picture: boxes float32 [n, 4], x1, y1, x2, y2 in the picture's pixels; scores float32 [n];
        labels int32 [n]; masks float32 [n, 28, 28], probabilities within the boxes.
    """
    image = batch["image"]
    image_meta = batch["image_meta"]
    if isinstance(network, OnnxNetwork):
        outputs = network(image, image_meta)
    else:
        outputs = [output.asnumpy() for output in network(Tensor(image), Tensor(image_meta))]
    boxes, scores, labels, det_valid, masks = outputs
    return [
        to_picture(boxes[i], scores[i], labels[i], det_valid[i], masks[i], image_meta[i])
        for i in range(batch["count"])
    ]
