"""Other projects' weights to a checkpoint of this one: names, class rows, and what the weights need to know.

weights = load_weights(path, config)          # any file of src/weights/readers.py
write_checkpoint(out, weights.entries, weights.settings)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Dict, Tuple

import numpy as np

from ..config import COCO_CLASSES, settings_from
from ..errors import CheckpointError
from .naming import CLASS_LAYERS, last_to_first
from .readers import read_weights
from .schemes import SCHEMES, recognise
from .torchvision import COCO_IDS, COCO_ROWS

# Keys that a backbone alone needs.
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
class Weights:
    """A file's weights under this project's names, with the configuration they want.

    entries: {name: array}; config: the user's with the weights' settings in it; found: what the file is, in words; remarks: what was
    decided, a line each; caution: what is to be said whenever the weights are loaded; whole: a model, not a backbone alone; called: a
    function from this project's name of an entry to the file's; own: the file is a checkpoint of this project.
    """

    entries: Dict[str, np.ndarray]
    config: Any
    found: str
    remarks: Tuple[str, ...]
    caution: str
    whole: bool
    called: Any
    own: bool = False


def load_weights(path, config, scheme_name="auto"):
    """The Weights of a file; `scheme_name` as in `SCHEMES`, or 'auto' to recognise it.

    Settings that the user wrote win over what another project's scheme supposes; one that contradicts a checkpoint of this project is a
    ConfigError. Raises CheckpointError for entries without a place and for classes without names; whether all are there and of the right
    shape is seen when they are loaded into a network.
    """
    arrays, meta = read_weights(path)
    if scheme_name == "auto" and "backbone.bn1.gamma" in arrays:
        return _own(path, arrays, meta.get("settings"), config)
    scheme = recognise(arrays, path) if scheme_name == "auto" else SCHEMES[scheme_name]
    entries, strange = scheme.renamed(arrays)
    if strange or not entries:
        raise CheckpointError(
            f"{path}: entries without a place in a Mask R-CNN ResNet FPN, by {scheme.title}'s names: {some(strange or arrays)}"
        )
    whole = any(not name.startswith("backbone.") for name in entries)
    reading = scheme.read(entries, {**meta, "arrays": arrays})
    settings, remarks = {**reading.settings, **architecture(entries)}, list(reading.remarks)
    if meta.get("settings"):  # written by this project
        settings, remarks = {**settings, **meta["settings"]}, ["settings are those that the file carries"]
    if whole:
        settings.setdefault("norm", "frozen")
        if scheme.background == "last":
            entries = last_to_first(entries)
        rows = len(entries.get("box_head.cls.weight", ()))
        entries, settings["coco_classes"] = pick_classes(
            entries, scheme, config, settings.get("coco_classes"), path
        )
        if len(entries["box_head.cls.weight"]) != rows:
            remarks.insert(
                0,
                f"of {rows} category ids the {len(COCO_IDS) - 1} that COCO uses and the background were kept",
            )
    found = f"{scheme.title}, " + (
        f"a whole model with {len(settings['coco_classes']) - 1} classes" if whole else "a backbone"
    )
    wanted = {name: _tuples(value) for name, value in settings.items() if name not in config.written}
    return Weights(
        entries,
        settings_from(config, path, wanted),
        f"{found}, {len(arrays)} entries",
        tuple(remarks),
        reading.caution,
        whole,
        scheme.theirs,
    )


def _own(path, arrays, settings, config):
    """The Weights of a checkpoint of this project."""
    from .loading import CAUTION, config_from_checkpoint, is_whole_model  # MindSpore takes seconds to load

    whole = is_whole_model(arrays)
    kind = "a whole model" if whole else "a backbone"
    return Weights(
        arrays,
        config_from_checkpoint(config, settings, path),
        f"this project's, {kind}, {len(arrays)} entries",
        (),
        (settings or {}).get(CAUTION, ""),
        whole,
        str,
        own=True,
    )


def architecture(entries):
    """Depth and widths, as configuration keys, that the shapes of {name: array} tell; a key that they do not tell is left out."""
    shape = {name: array.shape for name, array in entries.items()}
    settings = {}
    blocks = tuple(
        sum(re.fullmatch(rf"backbone\.layer{stage}\.\d+\.conv1\.weight", name) is not None for name in shape)
        for stage in range(1, 5)
    )
    outputs = tuple(shape.get(f"backbone.layer{stage}.0.conv3.weight", (0,))[0] for stage in range(1, 5))
    if all(blocks) and all(outputs) and "backbone.conv1.weight" in shape:
        settings = {
            "resnet_block": blocks,
            "resnet_out_channels": outputs,
            "resnet_in_channels": (shape["backbone.conv1.weight"][0], *outputs[:3]),
        }
    for key, name in (
        ("fpn_out_channels", "fpn.lateral.0.weight"),
        ("rpn_feat_channels", "rpn.conv.weight"),
        ("rcnn_fc_out_channels", "box_head.fc.0.weight"),
        ("rcnn_mask_out_channels", "mask_head.conv.0.weight"),
    ):
        if name in shape:
            settings[key] = shape[name][0]
    layers = sum(re.fullmatch(r"box_head\.fc\.\d+\.weight", name) is not None for name in shape)
    if layers and settings.get("fpn_out_channels"):
        settings["rcnn_num_layers"] = layers
        side = math.isqrt(shape["box_head.fc.0.weight"][-1] // settings["fpn_out_channels"])
        if side:
            settings["roi_layer"] = {
                "type": "RoIAlign",
                "out_size": side,
                "mask_out_size": 14,
                "sample_num": 2,
            }
    return settings


def pick_classes(entries, scheme, config, names, path):
    """(entries with a row a class, class names with 'background' first): the user's names, the file's, or COCO's.

    torchvision's 91 rows of COCO's category ids become 81. Raises CheckpointError where names and rows do not match.
    """
    if "box_head.cls.weight" not in entries:
        raise CheckpointError(f"{path}: has no class scores (box_head.cls.weight)")
    rows = len(entries["box_head.cls.weight"])
    if "coco_classes" in config.written and config.coco_classes != "auto":
        names, whose = config.coco_classes, "coco_classes has"
    elif names is not None:
        whose = "the names in the file are"
    else:
        names, whose = COCO_CLASSES, "COCO has"
    if rows == COCO_ROWS and scheme.name == "torchvision" and tuple(names) == COCO_CLASSES:
        return keep_rows(entries, COCO_IDS), COCO_CLASSES
    if len(names) != rows:
        raise CheckpointError(
            f'{path}: {rows} classes with the background, but {whose} {len(names)}; write coco_classes="[background, ...]" with '
            "the names of all after the file names"
        )
    return entries, tuple(names)


def keep_rows(entries, rows):
    """`entries` with the class layers' rows `rows` (box deltas: four a class) in that order."""
    rows, result, total = np.asarray(rows), dict(entries), len(entries["box_head.cls.weight"])
    for name in CLASS_LAYERS:
        each = 4 if ".reg." in name else 1
        if (
            name in entries and len(entries[name]) == each * total
        ):  # another length is listed when the entries are loaded
            result[name] = entries[name][(rows[:, None] * each + np.arange(each)).reshape(-1)]
    return result


def some(names):
    names = list(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
