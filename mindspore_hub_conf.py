"""MindSpore Hub's interface: `create_network("maskrcnn", ...)`."""

from __future__ import annotations

from typing import Any

from src.config import load_config
from src.maskrcnn.build import build_network
from src.maskrcnn.mask_rcnn_r50 import MaskRcnn


def create_network(name: str, *args: Any, **kwargs: Any) -> MaskRcnn:
    """The network in evaluation mode, without trained weights.

    Args:
        name: "maskrcnn".
        args: none are taken; every setting has a name.
        kwargs: configuration keys (`num_classes` with `coco_classes`, `img_height`, ...),
            and `device`: "CPU" (the default) or "Ascend".

    Raises:
        NotImplementedError: for another name.
        TypeError: for settings without a name.
    """
    if name != "maskrcnn":
        raise NotImplementedError(f"{name} is not in this repository; it has 'maskrcnn'")
    if args:
        raise TypeError("create_network takes configuration keys by name")
    device = kwargs.pop("device", "CPU")
    words = []
    for key, value in kwargs.items():
        words.append(f"{key}={list(value) if isinstance(value, tuple) else value}")
    return build_network(load_config(words), device, loads_weights=True).set_train(False)
