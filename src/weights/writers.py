"""Weights for torchvision: a state_dict under its names, as .safetensors, or .pth where PyTorch is."""

from __future__ import annotations

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple, Union

import numpy as np

from ..config import Config
from ..errors import CheckpointError
from .checkpoint_settings import SETTINGS_ENTRY
from .naming import IMAGENET_MEAN, IMAGENET_STD
from .torchvision import TORCHVISION

SUFFIXES = (".safetensors", ".pth", ".pt")


def to_torchvision(
    entries: Mapping[str, np.ndarray], config: Config, norm_kind: str, path: str
) -> Tuple[Dict[str, np.ndarray], List[str]]:
    """A whole model's weights as torchvision's state_dict.

    torchvision's `maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=N)` loads it with
    strict=True. BGR weights become RGB weights: the first convolution's input channels are reversed.

    Args:
        entries: {this project's name: array}.
        config: the network's configuration.
        norm_kind: the kind of norm that the network was built with.
        path: the file that the weights come from, for messages.

    Returns:
        ({torchvision's name: float32 array}, lines that say how torchvision has to be set).

    Raises:
        CheckpointError: for a network that torchvision does not have.
    """
    for is_supported, what in (
        (norm_kind != "gn", "norm=gn"),
        (not config.stride_in_1x1, "stride_in_1x1=True"),
        (config.rcnn_num_convs == 0, f"rcnn_num_convs={config.rcnn_num_convs}"),
        (config.rcnn_num_layers == 2, f"rcnn_num_layers={config.rcnn_num_layers}"),
        (config.use_sigmoid_cls, "use_sigmoid_cls=False"),
    ):
        if not is_supported:
            raise CheckpointError(f"{path}: torchvision has no Mask R-CNN with {what}")
    state_dict = {}
    for name, array in entries.items():
        torch_name = TORCHVISION.foreign_name(name)
        if torch_name is None:
            raise CheckpointError(f"{path}: '{name}' has no counterpart in torchvision")
        if name == "mask_head.logits_weight":
            array = array[:, :, None, None]  # a matrix here, a 1x1 convolution there
        state_dict[torch_name] = np.ascontiguousarray(array, np.float32)
    mean = config.img_mean
    std = config.img_std
    if config.channel_order == "BGR":
        first = TORCHVISION.foreign_name("backbone.conv1.weight")
        state_dict[first] = np.ascontiguousarray(state_dict[first][:, ::-1])
        mean = mean[::-1]
        std = std[::-1]
    return state_dict, _torchvision_settings(config, mean, std)


def _torchvision_settings(config, mean, std):
    """Lines that say how torchvision has to be set to compute the same, and what it computes differently."""
    lines = [
        "load it with maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, "
        f"num_classes={config.num_classes})"
    ]
    if (tuple(mean), tuple(std)) != (IMAGENET_MEAN, IMAGENET_STD):
        image_mean = [round(value / 255, 8) for value in mean]
        image_std = [round(value / 255, 8) for value in std]
        lines.append(f"and image_mean={image_mean}, image_std={image_std}")
    if config.norm_eps != 1e-5:
        lines.append(
            f"and give its norms eps {config.norm_eps:g}: "
            f"[setattr(m, 'eps', {config.norm_eps:g}) for m in model.modules() if hasattr(m, 'running_var')]"
        )
    differences = [
        f"{name}={config[name]}"
        for name, torchvision_value in (("roi_align_aligned", False), ("anchor_round", True))
        if config[name] != torchvision_value
    ]
    if differences:
        lines.append(
            f"trained with {', '.join(differences)}, which torchvision does the other way: "
            "its boxes will differ by fractions of a pixel"
        )
    return lines


def write_state_dict(
    state_dict: Mapping[str, np.ndarray], settings: Mapping[str, Any], out: Union[str, Path]
) -> List[Path]:
    """Write a state_dict in the format that the suffix of `out` says.

    Args:
        state_dict: {name: float32 array}.
        settings: a dict that JSON can hold. A .safetensors file carries it in its header,
            and `convert_weights.py` reads it from there.
        out: the file. Without a suffix .safetensors is written, and .pth too if PyTorch is installed.

    Returns:
        The paths of the written files.

    Raises:
        CheckpointError: for another suffix, and if a file cannot be written.
    """
    out = Path(out)
    if out.suffix in SUFFIXES:
        targets = [out]
    elif re.fullmatch(r"\.\w*[a-zA-Z]\w*", out.suffix):
        raise CheckpointError(f"{out}: {', '.join(SUFFIXES)} or no suffix expected for torchvision")
    else:
        targets = [out.with_name(out.name + ".safetensors")]
        if find_spec("torch") is not None:
            targets.append(out.with_name(out.name + ".pth"))
    for target in targets:
        temporary = target.with_name(f".{target.stem}.partial{target.suffix}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".safetensors":
                _write_safetensors(state_dict, settings, temporary)
            else:
                _write_torch(state_dict, temporary)
            os.replace(temporary, target)
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            raise CheckpointError(
                f"{target} could not be written: {' '.join(str(error).split())[:160]}"
            ) from None
    return targets


def _write_safetensors(state_dict, settings, path):
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(state_dict, str(path), metadata={"format": "pt", SETTINGS_ENTRY: json.dumps(settings)})
    except SafetensorError as error:
        raise OSError(str(error)) from None


def _write_torch(state_dict, path):
    try:
        import torch
    except ImportError:
        raise CheckpointError(
            f"{path.suffix} needs PyTorch, which this project does not install: "
            "pip install torch, or write .safetensors"
        ) from None
    torch.save({name: torch.from_numpy(array) for name, array in state_dict.items()}, str(path))
