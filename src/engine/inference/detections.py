"""Detections from batches of pictures. MindSpore is imported where a network of its own is called."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping

import numpy as np

from ...data.images.placement import to_picture
from ..runtime.card_memory import one_line_when_full
from .exported_files import runs_on_arrays

# A MindSpore network that is called like `MaskRcnn`, or an exported file: an `OnnxNetwork` or a
# `MindirNetwork`.
Network = Callable[..., Any]


def detect(network: Network, batch: Mapping[str, Any]) -> List[Dict[str, np.ndarray]]:
    """Detections of a batch's pictures, without those that fill the batch up.

    Args:
        network: Is called like `MaskRcnn`, or is an exported file.
        batch: image uint8 [B, H, W, 3]; image_meta float32 [B, 6] (`Placement.meta`); count: how many of the
            B pictures do not just fill the batch up.

    Returns:
        A dict a picture: boxes float32 [n, 4], x1, y1, x2, y2 in the picture's pixels; scores float32 [n];
        labels int32 [n]; masks float32 [n, 28, 28], probabilities within the boxes.

    Raises:
        CardMemoryError: The device's memory does not suffice.
    """
    image = batch["image"]
    image_meta = batch["image_meta"]
    if runs_on_arrays(network):
        outputs = network(image, image_meta)
    else:
        from mindspore import Tensor

        height, width = image.shape[1:3]
        with one_line_when_full(
            f"the detections of {len(image)} pictures of {width}x{height}",
            "a smaller test_batch_size or a smaller canvas (img_height, img_width) needs less",
        ):
            outputs = [output.asnumpy() for output in network(Tensor(image), Tensor(image_meta))]
    boxes, scores, labels, det_valid, masks = outputs
    return [
        to_picture(boxes[i], scores[i], labels[i], det_valid[i], masks[i], image_meta[i])
        for i in range(batch["count"])
    ]
