"""MindSpore Hub's interface: `create_network("maskrcnn", ...)`."""

from src.config import load_config
from src.maskrcnn.build import build_network


def create_network(name, *args, **kwargs):
    """The network called "maskrcnn", in evaluation mode.

    kwargs: configuration keys (`num_classes` with `coco_classes`, `img_height`, ...), and `device` ("CPU" or "Ascend", default CPU).
    Raises NotImplementedError for another name.
    """
    if name != "maskrcnn":
        raise NotImplementedError(f"{name} is not in this repository; it has 'maskrcnn'")
    if args:
        raise TypeError("create_network takes configuration keys by name")
    device = kwargs.pop("device", "CPU")
    config = load_config(
        [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in kwargs.items()]
    )
    return build_network(config, device, loads_weights=True).set_train(False)
