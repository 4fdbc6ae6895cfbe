"""Weights of any project under this project's names, with the class rows and settings that belong to them.

weights = convert_weights(path, config)
write_checkpoint(out, weights.entries, weights.settings)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import numpy as np

from ..config import Config, settings_from
from ..errors import CheckpointError
from .checkpoint_settings import CAUTION, config_from_checkpoint, lists_to_tuples
from .class_rows import move_background_first, pick_classes
from .naming import shorten_list
from .readers import read_weights
from .schemes import SCHEMES, recognise_scheme

# The settings that a backbone needs.
BACKBONE_KEYS = (
    "resnet_block",
    "resnet_in_channels",
    "resnet_out_channels",
    "norm_eps",
    "img_mean",
    "img_std",
    "channel_order",
    "stride_in_1x1",
)


@dataclass
class ConvertedWeights:
    """The weights of a file under this project's names.

    Attributes:
        entries: {name: array}.
        config: the user's configuration with the settings that the weights need.
        description: what the file is, in words.
        remarks: lines about what was decided.
        caution: a line to be printed whenever the weights are loaded; "" for none.
        is_whole_model: whether it is a Mask R-CNN, not a backbone.
        name_in_file: a function from this project's name of an entry to its name in the file.
        is_own_checkpoint: whether the file is a checkpoint of this project.
    """

    entries: Dict[str, np.ndarray]
    config: Config
    description: str
    remarks: Tuple[str, ...]
    caution: str
    is_whole_model: bool
    name_in_file: Callable[[str], Optional[str]]
    is_own_checkpoint: bool = False


def convert_weights(path: str, config: Config, scheme_name: str = "auto") -> ConvertedWeights:
    """Read a weights file of this or another project.

    Whether all entries are there in the right shape is checked when they are loaded into a network.

    Args:
        path: a file of a kind that `read_weights` reads.
        config: settings that the user wrote replace those that are usual in the other project.
        scheme_name: a name of `SCHEMES`, or 'auto' to recognise the scheme.

    Raises:
        CheckpointError: for unknown entries and for classes without names.
        ConfigError: for a setting that contradicts a checkpoint of this project.
    """
    arrays, rest = read_weights(path)
    if scheme_name == "auto" and "backbone.bn1.gamma" in arrays:
        return _own_checkpoint(path, arrays, rest.get("settings"), config)
    scheme = recognise_scheme(arrays, path) if scheme_name == "auto" else SCHEMES[scheme_name]
    entries, unknown = scheme.rename(arrays)
    if unknown or not entries:
        raise CheckpointError(
            f"{path}: entries without a place in a Mask R-CNN ResNet FPN, by {scheme.title}'s names: "
            f"{shorten_list(unknown or arrays)}"
        )
    requirements = scheme.read_requirements(entries, {**rest, "arrays": arrays})
    settings = {**requirements.settings, **settings_from_shapes(entries)}
    remarks = list(requirements.remarks)
    if rest.get("settings"):  # written by this project
        settings.update(rest["settings"])
        remarks = ["settings are those that the file carries"]
    is_whole_model = any(not name.startswith("backbone.") for name in entries)
    if is_whole_model:
        settings.setdefault("norm", "frozen")
        if scheme.background == "last":
            entries = move_background_first(entries)
        row_count = len(entries.get("box_head.cls.weight", ()))
        has_asked = "coco_classes" in config.written and config.coco_classes != "auto"
        asked_names = config.coco_classes if has_asked else None
        entries, class_names = pick_classes(entries, scheme, asked_names, settings.get("coco_classes"), path)
        settings["coco_classes"] = class_names
        if len(entries["box_head.cls.weight"]) != row_count:
            remarks.insert(
                0,
                f"of {row_count} category ids the {len(class_names) - 1} that COCO uses "
                "and the background were kept",
            )
        kind = f"a whole model with {len(class_names) - 1} classes"
    else:
        kind = "a backbone"
    not_set_by_user = {
        name: lists_to_tuples(value) for name, value in settings.items() if name not in config.written
    }
    return ConvertedWeights(
        entries,
        settings_from(config, path, not_set_by_user),
        f"{scheme.title}, {kind}, {len(arrays)} entries",
        tuple(remarks),
        requirements.caution,
        is_whole_model,
        scheme.foreign_name,
    )


def _own_checkpoint(path, arrays, settings, config):
    """The ConvertedWeights of a checkpoint of this project."""
    from .loading import is_whole_model  # imported here, as MindSpore takes seconds to import

    is_whole = is_whole_model(arrays)
    return ConvertedWeights(
        arrays,
        config_from_checkpoint(config, settings, path),
        f"this project's, {'a whole model' if is_whole else 'a backbone'}, {len(arrays)} entries",
        (),
        (settings or {}).get(CAUTION, ""),
        is_whole,
        str,
        is_own_checkpoint=True,
    )


def settings_from_shapes(entries: Mapping[str, np.ndarray]) -> Dict[str, Any]:
    """The configuration keys for depths and widths that follow from the shapes of {name: array}."""
    shapes = {name: array.shape for name, array in entries.items()}
    settings = _backbone_settings(shapes)
    for key, name in (
        ("fpn_out_channels", "fpn.lateral.0.weight"),
        ("rpn_feat_channels", "rpn.conv.weight"),
        ("rcnn_fc_out_channels", "box_head.fc.0.weight"),
        ("rcnn_mask_out_channels", "mask_head.conv.0.weight"),
    ):
        if name in shapes:
            settings[key] = shapes[name][0]
    fc_layers = _count(shapes, r"box_head\.fc\.\d+\.weight")
    if fc_layers and settings.get("fpn_out_channels"):
        settings["rcnn_num_layers"] = fc_layers
        # a pooled RoI has fpn_out_channels x side x side values
        side = math.isqrt(shapes["box_head.fc.0.weight"][-1] // settings["fpn_out_channels"])
        if side:
            settings["roi_layer"] = {
                "type": "RoIAlign",
                "out_size": side,
                "mask_out_size": 14,
                "sample_num": 2,
            }
    return settings


def _backbone_settings(shapes):
    """Depths and widths of a ResNet; {} if it is not complete."""
    blocks = []
    widths = []
    for stage in range(1, 5):
        blocks.append(_count(shapes, rf"backbone\.layer{stage}\.\d+\.conv1\.weight"))
        widths.append(shapes.get(f"backbone.layer{stage}.0.conv3.weight", (0,))[0])
    if not all(blocks) or not all(widths) or "backbone.conv1.weight" not in shapes:
        return {}
    return {
        "resnet_block": tuple(blocks),
        "resnet_out_channels": tuple(widths),
        "resnet_in_channels": (shapes["backbone.conv1.weight"][0], *widths[:3]),
    }


def _count(names, pattern):
    return sum(re.fullmatch(pattern, name) is not None for name in names)
