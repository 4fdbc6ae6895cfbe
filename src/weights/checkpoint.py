"""Weights on disk: written whole or not at all, with a checksum, and with what the network needs to know inside."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import mindspore as ms

from ..errors import CheckpointError

SETTINGS = "maskrcnn_settings"  # the entry that holds the network's settings as JSON
STATE, TRAINING = (
    "maskrcnn_training",
    "training.",
)  # where the run was, as JSON; what else its step cell holds, under this prefix
# Keys that decide what the weights mean. They travel inside a checkpoint, and whoever loads it takes them from there.
NETWORK_KEYS = (
    "resnet_block",
    "resnet_in_channels",
    "resnet_out_channels",
    "fpn_out_channels",
    "rpn_feat_channels",
    "use_sigmoid_cls",
    "rcnn_num_layers",
    "rcnn_num_convs",
    "rcnn_conv_out_channels",
    "rcnn_norm",
    "rcnn_fc_out_channels",
    "rcnn_mask_out_channels",
    "rcnn_mask_norm",
    "fpn_norm",
    "roi_layer",
    "roi_align_aligned",
    "roi_align_finest_scale",
    "anchor_scales",
    "anchor_ratios",
    "anchor_strides",
    "anchor_round",
    "norm_eps",
    "rpn_target_means",
    "rpn_target_stds",
    "rcnn_target_means",
    "rcnn_target_stds",
    "img_mean",
    "img_std",
    "channel_order",
    "stride_in_1x1",
    "coco_classes",
)
# How a picture is placed is taken over too, but may be changed freely.
CANVAS_KEYS = ("img_width", "img_height", "resize", "resize_short", "resize_long", "keep_ratio", "padding")


def network_settings(config, norm_kind):
    """The settings that a checkpoint carries: {key: value}, JSON-able, with the norm's kind."""
    settings = {name: config[name] for name in NETWORK_KEYS + CANVAS_KEYS}
    return {**settings, "norm": norm_kind}


def save_checkpoint(path, network, config, norm_kind, epoch, step, step_cell=None, state=None):
    """Write the network's parameters and settings (see `write_checkpoint`), and for a run to go on from what else `step_cell` holds
    (momenta, averages, a loss scale: every parameter of it, by name) and `state`, a JSON-able dict."""
    entries, extra = dict(network.parameters_dict()), {"epoch_num": epoch, "step_num": step}
    if step_cell is not None:
        entries.update(
            {
                TRAINING + name: value
                for name, value in step_cell.parameters_dict().items()
                if name not in entries
            }
        )
        extra[STATE] = json.dumps(state)
    write_checkpoint(path, entries, network_settings(config, norm_kind), extra)


def write_checkpoint(path, entries, settings, extra=None):
    """Write {name: Tensor or Parameter} and settings with a CRC beside `path` and rename: a reader sees the old file or the whole new one.

    extra: {name: number or text} of further entries. Raises CheckpointError where the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.partial.ckpt")
    entries = [{"name": name, "data": value} for name, value in entries.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ms.save_checkpoint(
            entries,
            str(temporary),
            append_dict={SETTINGS: json.dumps(settings), **(extra or {})},
            crc_check=True,
        )
        os.chmod(temporary, 0o644)  # MindSpore leaves it readable by its owner alone
        _to_disk(temporary)  # or a power failure may leave the new name with nothing in it
        os.replace(temporary, path)
        _to_disk(path.parent)
    except (OSError, RuntimeError, ValueError) as error:
        for leftover in path.parent.glob(f"{temporary.stem}*"):  # MindSpore writes to a file of its own first
            leftover.unlink()
        raise CheckpointError(
            f"checkpoint {path} could not be written: {_first_line(error)}; what was saved before is untouched"
        ) from None


def _to_disk(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    entries, settings, epoch = _read(path, lambda name: not name.startswith(TRAINING) and name != STATE)
    return entries, settings, epoch


def read_training(path):
    """({name: Parameter} of the network, settings, {name: Parameter} of the rest of the step cell, state dict) of a run's checkpoint.

    Raises CheckpointError as `read_checkpoint` does, and for weights that no run can go on from.
    """
    entries, settings, _ = _read(path, None)
    state = entries.pop(STATE, None)
    if state is None or settings is None:
        raise CheckpointError(
            f"checkpoint {path}: holds weights, but not the state of a training run; pre_trained={path} starts a new one from them"
        )
    rest = {name[len(TRAINING) :]: entries.pop(name) for name in list(entries) if name.startswith(TRAINING)}
    return entries, settings, rest, _json(state, path)


def _read(path, wanted):
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path}: no such file")
    if Path(path).suffix != ".ckpt":
        raise CheckpointError(
            f"checkpoint {path}: a MindSpore .ckpt file expected; convert_weights.py makes one of other projects' files"
        )
    has_crc = _has_crc(path)
    try:
        entries = ms.load_checkpoint(str(path), crc_check=has_crc, choice_func=wanted)
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: not a whole MindSpore checkpoint ({_first_line(error)})"
        ) from None
    settings, epoch = entries.pop(SETTINGS, None), entries.pop("epoch_num", None)
    if settings is not None and not has_crc:  # this project always writes one
        raise CheckpointError(f"checkpoint {path}: its checksum is missing, so it is not whole")
    entries.pop("step_num", None)
    return (
        entries,
        None if settings is None else _json(settings, path),
        0 if epoch is None else int(_number(epoch)),
    )


def _json(entry, path):
    try:
        return json.loads(_text(entry))
    except ValueError:
        raise CheckpointError(f"checkpoint {path}: its settings entry is damaged") from None


def _has_crc(path):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 17))
        return file.read().startswith(b"crc_num")  # seven letters and ten bytes at the very end


def _first_line(error):
    return " ".join(str(error).split())[:160]


def _text(entry):
    return (
        entry
        if isinstance(entry, str)
        else str(entry.value() if hasattr(entry, "value") and callable(entry.value) else entry)
    )


def _number(entry):
    return entry.asnumpy() if hasattr(entry, "asnumpy") else entry
