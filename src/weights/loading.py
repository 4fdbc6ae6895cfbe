"""From a checkpoint's entries to a network and its configuration: strictly, everything or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional

import numpy as np
from mindspore import Tensor

from ..config import settings_from
from ..errors import CheckpointError, ConfigError
from .checkpoint import CANVAS_KEYS, read_checkpoint
from .mindcv import MINDCV
from .modelzoo import MODELZOO
from .naming import CLASS_LAYERS

CAUTION = "caution"  # among a checkpoint's settings: a line to say whenever the weights are loaded


@dataclass
class Start:
    """The weights that training starts from: a file's entries and settings, and whether it holds a whole model rather than a backbone."""

    path: str
    entries: Dict[str, Any]
    settings: Optional[Dict[str, Any]] = None
    whole: bool = False
    remarks: tuple = field(default=())


def config_from_checkpoint(config, settings, path, own_classes=False, fixed=()):
    """`config` with the settings a checkpoint carries; what the user wrote otherwise is a ConfigError that names both.

    own_classes: class names that the user wrote (or coco_classes=auto) stand, whatever the checkpoint's are; fixed: keys that an exported
    file settles.
    """
    if settings is None:
        return config
    changes = {}
    for name, value in settings.items():
        if name == CAUTION:
            continue
        if name not in config:
            raise CheckpointError(
                f"checkpoint {path}: made with a setting '{name}' that this version does not know"
            )
        value = _tuples(value)
        if (
            own_classes
            and name in ("coco_classes", "num_classes")
            and config.written & {"coco_classes", "num_classes"}
        ):
            continue
        if name in config.written and config[name] not in (value, "auto"):
            if name in fixed:
                raise ConfigError(
                    f"{name}={_plain(config[name])} contradicts {path}, which was exported with {_plain(value)}"
                )
            if name in CANVAS_KEYS:
                continue
            raise ConfigError(
                f"{name}={_plain(config[name])} contradicts {path}, whose weights were trained with {_plain(value)}"
            )
        changes[name] = value
    return settings_from(config, path, changes)


def open_start(config):
    """(the configuration with what the weights of `pre_trained` need, the Start).

    A whole model's classes give way to classes that the user wrote, unless its training is gone on with (pretrain_epoch_size).
    """
    path = config.pre_trained
    entries, settings, _ = read_checkpoint(path)
    start = Start(path, entries, settings, is_whole_model(entries))
    if not start.whole and settings is None:
        start = _foreign_backbone(start)
        start.settings = {
            name: value for name, value in (start.settings or {}).items() if name not in config.written
        }
    if (start.settings or {}).get(CAUTION):
        start.remarks = (f"{path}: {start.settings[CAUTION]}",)
    return config_from_checkpoint(
        config, start.settings, path, own_classes=config.pretrain_epoch_size == 0
    ), start


def load_start(network, start, config):
    """Load a Start into the network that was built for `config`; returns lines that say what was loaded.

    Where the classes differ, the class layers keep their initialisation and all else is loaded.
    """
    if not start.whole:
        load_backbone(network, start.entries, start.path)
        return (
            f"backbone{' and pyramid' if has_pyramid(start.entries) else ''} from {start.path}",
            *start.remarks,
        )
    there = (start.settings or {}).get("coco_classes")
    rows = start.entries.get("box_head.cls.weight")
    differ = (
        config.num_classes != len(rows)
        if there is None and rows is not None
        else there is not None and tuple(there) != config.coco_classes
    )
    if not differ or config.pretrain_epoch_size:
        load_network(network, start.entries, start.path)
        return (f"model from {start.path}", *start.remarks)
    load_all_but_classes(network, start.entries, start.path)
    return (
        f"model from {start.path}, all but the class layers",
        f"its {len(rows) - 1 if rows is not None else '?'} classes are not the "
        f"{config.num_classes - 1} here, so these start anew: {', '.join(CLASS_LAYERS)}",
        *start.remarks,
    )


def load_network(network, entries, path, called=str):
    """Load a whole model's {name: Parameter, Tensor or array}; a missing, extra, misshapen or wrongly typed one is an error that lists them,
    and nothing is loaded. called: what an entry is called in the file.
    """
    _assign(network.parameters_dict(), entries, path, lambda name: False, called)


def load_all_but_classes(network, entries, path):
    """The same, but for the layers that have a row a class, which the network keeps as they are."""
    wanted = {
        name: parameter for name, parameter in network.parameters_dict().items() if name not in CLASS_LAYERS
    }
    _assign(wanted, entries, path, lambda name: name in CLASS_LAYERS)


def load_backbone(network, entries, path, called=str):
    """Load a backbone (names with or without 'backbone.'), with its feature pyramid where the file has one ('fpn.'); only a classifier's and
    an optimiser's entries may be left over."""
    parts = ("backbone.", "fpn.") if has_pyramid(entries) else ("backbone.",)
    wanted = {
        name: parameter for name, parameter in network.parameters_dict().items() if name.startswith(parts)
    }
    named = {name if name.startswith(parts) else f"backbone.{name}": value for name, value in entries.items()}

    def may_be_left(name):
        return any(scheme.is_dropped(name.removeprefix("backbone.")) for scheme in (MINDCV, MODELZOO))

    _assign(wanted, named, path, may_be_left, called)


def has_pyramid(entries):
    """Whether a backbone's entries hold a feature pyramid's weights too."""
    return any(name.startswith("fpn.") for name in entries)


def is_whole_model(entries):
    """Whether entries are those of a Mask R-CNN rather than of a backbone."""
    return any(name.startswith("rpn.") for name in entries)


def _foreign_backbone(start):
    """A MindSpore classifier under MindCV's or the model zoo's names, as `convert_weights.py` would make it a backbone."""
    arrays = {
        name: np.empty(tuple(entry.shape), np.uint8)
        for name, entry in start.entries.items()
        if hasattr(entry, "shape")
    }
    scheme = max((MINDCV, MODELZOO), key=lambda scheme: scheme.share(arrays))
    if scheme.share(arrays) <= 0.5:
        return start
    reading = scheme.read(arrays, {})
    entries = {
        scheme.ours(name) or name: entry
        for name, entry in start.entries.items()
        if not scheme.is_dropped(name)
    }
    return Start(start.path, entries, {**reading.settings, CAUTION: reading.caution})


def _assign(wanted, entries, path, allowed_extra, called=str):
    missing = [called(name) for name in wanted if name not in entries]
    extra = [called(name) for name in entries if name not in wanted and not allowed_extra(name)]
    shapes = [
        f"{called(name)} is {tuple(entries[name].shape)}, needed {tuple(parameter.shape)}"
        for name, parameter in wanted.items()
        if name in entries and tuple(entries[name].shape) != tuple(parameter.shape)
    ]
    types = [
        f"{called(name)} is {entries[name].dtype}"
        for name in wanted
        if name in entries and str(entries[name].dtype).lower() not in ("float32", "float16")
    ]
    problems = [
        f"{len(names)} {what}: {_some(names)}"
        for what, names in (
            ("missing", missing),
            ("not known here", extra),
            ("of another shape", shapes),
            ("not of a float type", types),
        )
        if names
    ]
    if problems:
        raise CheckpointError(f"{path} does not fit the network; " + "; ".join(problems))
    for name, parameter in wanted.items():
        array = entries[name].asnumpy() if hasattr(entries[name], "asnumpy") else entries[name]
        parameter.set_data(Tensor(np.ascontiguousarray(array, np.float32)))


def _some(names):
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
