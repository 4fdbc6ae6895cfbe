"""From a checkpoint's entries to a network and its configuration: strictly, everything or nothing."""
from __future__ import annotations

import re

import mindspore as ms
from mindspore import Tensor

from src.config import settings_from
from src.engine.checkpoint import CANVAS_KEYS
from src.errors import CheckpointError, ConfigError

_CLASSIFIER = re.compile(r"(classifier|fc|end_point|head\.dense|dense)\.(weight|bias)")
_OPTIMIZER = re.compile(r"(moments?|moment[12]|accum|stat|momentum|learning_rate|lr|global_step|step_num|epoch_num|current_iterator_step"
                        r"|last_overflow_iterator_step|scale_sense|loss_scale)(\..*)?")


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


def _some(names):
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _tuples(value):
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
