"""Weights on disk: written whole or not at all, read strictly, with what the network needs to know inside."""
from __future__ import annotations

import json
import os
import re
from pathlib import Path

import mindspore as ms
from mindspore import Tensor

from src.config import settings_from
from src.errors import CheckpointError, ConfigError

SETTINGS = "maskrcnn_settings"           # the entry that holds the network's settings as JSON
# Keys that decide what the weights mean. They travel inside a checkpoint, and whoever loads it takes them from there.
NETWORK_KEYS = (
    "resnet_block", "resnet_in_channels", "resnet_out_channels", "fpn_out_channels", "rpn_feat_channels", "use_sigmoid_cls",
    "rcnn_num_layers", "rcnn_num_convs", "rcnn_conv_out_channels", "rcnn_fc_out_channels", "rcnn_mask_out_channels", "roi_layer",
    "roi_align_aligned", "roi_align_finest_scale", "anchor_scales", "anchor_ratios", "anchor_strides", "anchor_round", "norm_eps",
    "rpn_target_means", "rpn_target_stds", "rcnn_target_means", "rcnn_target_stds", "img_mean", "img_std", "coco_classes", "resize")
# Canvas and mask settings are taken over too, but may be changed freely.
CANVAS_KEYS = ("img_width", "img_height", "resize_short", "resize_long", "keep_ratio")
_CLASSIFIER = re.compile(r"(classifier|fc|end_point|head\.dense|dense)\.(weight|bias)")
_OPTIMIZER = re.compile(r"(moments?|moment[12]|accum|stat|momentum|learning_rate|lr|global_step|step_num|epoch_num|current_iterator_step"
                        r"|last_overflow_iterator_step|scale_sense|loss_scale)(\..*)?")


def network_settings(config, norm_kind):
    """The settings that a checkpoint carries: {key: value}, JSON-able, with the norm's kind."""
    settings = {name: config[name] for name in NETWORK_KEYS + CANVAS_KEYS}
    return {**settings, "norm": norm_kind}


def save_checkpoint(path, network, config, norm_kind, epoch, step):
    """Write the network's parameters with a CRC beside `path` and rename: a reader sees the old file or the whole new one."""
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial.ckpt")
    entries = [{"name": name, "data": parameter} for name, parameter in network.parameters_dict().items()]
    extra = {SETTINGS: json.dumps(network_settings(config, norm_kind)), "epoch_num": epoch, "step_num": step}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ms.save_checkpoint(entries, str(temporary), append_dict=extra, crc_check=True)
        os.chmod(temporary, 0o644)               # MindSpore leaves it readable by its owner alone
        os.replace(temporary, path)
    except (OSError, RuntimeError, ValueError) as error:
        for leftover in path.parent.glob(f"{temporary.stem}*"):           # MindSpore writes to a file of its own first
            leftover.unlink()
        raise CheckpointError(f"checkpoint {path} could not be written: {_first_line(error)}; what was saved before is untouched") from None


def rotate_checkpoints(folder, keep):
    """Delete all but the newest `keep` checkpoints mask_rcnn-{epoch}_{step}.ckpt of a folder."""
    found = []
    for path in Path(folder).glob("mask_rcnn-*_*.ckpt"):
        match = re.fullmatch(r"mask_rcnn-(\d+)_(\d+)\.ckpt", path.name)
        if match:
            found.append((int(match[1]), int(match[2]), path))
    for _, _, path in sorted(found)[:-keep]:
        path.unlink(missing_ok=True)


def read_checkpoint(path):
    """({name: Parameter}, settings or None, epoch) of a .ckpt file. Raises CheckpointError if it is missing, cut short or altered."""
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path}: no such file")
    if Path(path).suffix != ".ckpt":
        raise CheckpointError(f"checkpoint {path}: a MindSpore .ckpt file expected")
    try:
        entries = ms.load_checkpoint(str(path), crc_check=_has_crc(path))
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"checkpoint {path}: not a whole MindSpore checkpoint ({_first_line(error)})") from None
    settings, epoch = entries.pop(SETTINGS, None), entries.pop("epoch_num", None)
    entries.pop("step_num", None)
    try:
        settings = None if settings is None else json.loads(_text(settings))
    except ValueError:
        raise CheckpointError(f"checkpoint {path}: its settings entry is damaged") from None
    return entries, settings, 0 if epoch is None else int(_number(epoch))


def config_from_checkpoint(config, settings, path):
    """`config` with the settings a checkpoint carries; what the user wrote otherwise is a ConfigError that names both."""
    if settings is None:
        return config
    changes = {}
    for name, value in settings.items():
        if name not in config:
            raise CheckpointError(f"checkpoint {path}: made with a setting '{name}' that this version does not know")
        value = _tuples(value)
        if name in config.written and config[name] not in (value, "auto"):
            if name in CANVAS_KEYS:
                continue
            raise ConfigError(f"{name}={_plain(config[name])} contradicts {path}, whose weights were trained with {_plain(value)}")
        changes[name] = value
    return settings_from(config, path, changes)


def load_network(network, entries, path):
    """Load a whole model's entries; a missing, extra or misshapen one is an error that lists them, and nothing is loaded."""
    _assign(network.parameters_dict(), entries, path, allowed_extra=lambda name: False)


def load_backbone(network, entries, path):
    """Load a backbone (names with or without 'backbone.'); only a classifier's and an optimiser's entries may be left over."""
    wanted = {name: parameter for name, parameter in network.parameters_dict().items() if name.startswith("backbone.")}
    named = {name if name.startswith("backbone.") else f"backbone.{name}": value for name, value in entries.items()}

    def may_be_left(name):
        name = name[len("backbone."):]
        return _CLASSIFIER.fullmatch(name) is not None or _OPTIMIZER.fullmatch(name) is not None
    _assign(wanted, named, path, may_be_left)


def is_whole_model(entries):
    """Whether entries are those of a Mask R-CNN rather than of a backbone."""
    return any(name.startswith("rpn.") for name in entries)


def _assign(wanted, entries, path, allowed_extra):
    missing = [name for name in wanted if name not in entries]
    extra = [name for name in entries if name not in wanted and not allowed_extra(name)]
    shapes = [f"{name} is {tuple(entries[name].shape)}, needed {tuple(parameter.shape)}" for name, parameter in wanted.items()
              if name in entries and tuple(entries[name].shape) != tuple(parameter.shape)]
    types = [f"{name} is {entries[name].dtype}" for name in wanted if name in entries and entries[name].dtype not in (ms.float32, ms.float16)]
    problems = [f"{len(names)} {what}: {_some(names)}" for what, names in
                (("missing", missing), ("not known here", extra), ("of another shape", shapes), ("not of a float type", types)) if names]
    if problems:
        raise CheckpointError(f"{path} does not fit the network; " + "; ".join(problems))
    for name, parameter in wanted.items():
        parameter.set_data(Tensor(entries[name].asnumpy().astype("float32")))


def _has_crc(path):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 64))
        return b"crc_num" in file.read()


def _some(names):
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _first_line(error):
    return " ".join(str(error).split())[:160]


def _text(entry):
    return entry if isinstance(entry, str) else str(entry.value() if hasattr(entry, "value") and callable(entry.value) else entry)


def _number(entry):
    return entry.asnumpy() if hasattr(entry, "asnumpy") else entry


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
