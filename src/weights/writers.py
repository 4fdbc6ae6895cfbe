"""Weights out again: a state_dict under torchvision's names, as .safetensors, and as .pth where PyTorch is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from .naming import IMAGENET_MEAN, IMAGENET_STD
from .torchvision import TORCHVISION

SUFFIXES = (".safetensors", ".pth", ".pt")


def to_torchvision(entries, config, norm_kind, path):
    """({torchvision's name: float32 array}, lines to say) of a whole model's {name: array}.

    torchvision's `maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=N)` loads it with strict=True. BGR weights become
    RGB ones by turning the first convolution's input channels. Raises CheckpointError for a network that torchvision does not have.
    """
    for wanted, what in (
        (norm_kind != "gn", "norm=gn"),
        (not config.stride_in_1x1, "stride_in_1x1=True"),
        (config.rcnn_num_convs == 0, f"rcnn_num_convs={config.rcnn_num_convs}"),
        (config.rcnn_num_layers == 2, f"rcnn_num_layers={config.rcnn_num_layers}"),
        (config.use_sigmoid_cls, "use_sigmoid_cls=False"),
    ):
        if not wanted:
            raise CheckpointError(f"{path}: torchvision has no Mask R-CNN with {what}")
    state = {}
    for name, array in entries.items():
        theirs = TORCHVISION.theirs(name)
        if theirs is None:
            raise CheckpointError(f"{path}: '{name}' has no counterpart in torchvision")
        state[theirs] = np.ascontiguousarray(
            array[:, :, None, None] if name == "mask_head.logits_weight" else array, np.float32
        )
    mean, std = config.img_mean, config.img_std
    if config.channel_order == "BGR":
        first = TORCHVISION.theirs("backbone.conv1.weight")
        state[first] = np.ascontiguousarray(state[first][:, ::-1])
        mean, std = mean[::-1], std[::-1]
    return state, _what_to_set(config, mean, std)


def _what_to_set(config, mean, std):
    """Lines about what torchvision's constructor has to be told, or does otherwise, for it to compute what this network computes."""
    lines = [
        f"load it with maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes={config.num_classes})"
    ]
    if (tuple(mean), tuple(std)) != (IMAGENET_MEAN, IMAGENET_STD):
        lines.append(
            "and image_mean={}, image_std={}".format(
                *([round(value / 255, 8) for value in values] for values in (mean, std))
            )
        )
    if config.norm_eps != 1e-5:
        lines.append(
            f"and give its norms eps {config.norm_eps:g}: "
            f"[setattr(m, 'eps', {config.norm_eps:g}) for m in model.modules() if hasattr(m, 'running_var')]"
        )
    others = [
        name
        for name, theirs in (("roi_align_aligned", False), ("anchor_round", True))
        if config[name] != theirs
    ]
    if others:
        lines.append(
            f"trained with {', '.join(f'{name}={config[name]}' for name in others)}, which torchvision does the other way: its boxes will "
            "differ by fractions of a pixel"
        )
    return lines


def write_state_dict(state, settings, out):
    """Write {name: array} to `out`: by its suffix, or without one as .safetensors and, where PyTorch is, as .pth; returns the written Paths.

    A .safetensors file carries `settings` (a JSON-able dict) in its header, from which `convert_weights.py` takes them back.
    """
    out = Path(out)
    if out.suffix in SUFFIXES:
        targets = [out]
    elif re.fullmatch(r"\.\w*[a-zA-Z]\w*", out.suffix):
        raise CheckpointError(f"{out}: {', '.join(SUFFIXES)} or no suffix expected for torchvision")
    else:
        targets = [out.with_name(out.name + ".safetensors")] + (
            [out.with_name(out.name + ".pth")] if _has_torch() else []
        )
    for target in targets:
        temporary = target.with_name(f".{target.stem}.partial{target.suffix}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            (_write_safetensors if target.suffix == ".safetensors" else _write_torch)(
                state, settings, temporary
            )
            os.replace(temporary, target)
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            raise CheckpointError(
                f"{target} could not be written: {' '.join(str(error).split())[:160]}"
            ) from None
    return targets


def _write_safetensors(state, settings, path):
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(state, str(path), metadata={"format": "pt", "maskrcnn_settings": json.dumps(settings)})
    except SafetensorError as error:
        raise OSError(str(error)) from None


def _write_torch(state, settings, path):
    try:
        import torch
    except ImportError:
        raise CheckpointError(
            f"{path.suffix} needs PyTorch, which this project does not install: pip install torch, or write .safetensors"
        ) from None
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, str(path))


def _has_torch():
    from importlib.util import find_spec

    return find_spec("torch") is not None
