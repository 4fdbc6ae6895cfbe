"""The settings that a checkpoint carries, and how a configuration takes them over."""

from __future__ import annotations

from typing import Any, Collection, Dict, Mapping, Optional

from ..config import Config, keys_with, settings_from
from ..errors import CheckpointError, ConfigError

# Keys that decide what the weights mean. Whoever loads a checkpoint takes them from it.
NETWORK_KEYS = keys_with("network")
# Keys that say how a picture is placed on the canvas. They are taken over too, but the user may change them.
CANVAS_KEYS = keys_with("canvas")
# The entry of a file with the settings as JSON.
SETTINGS_ENTRY = "maskrcnn_settings"
# The entry of the settings with a line that is printed whenever the weights are loaded.
CAUTION = "caution"


def network_settings(config: Config, norm_kind: str) -> Dict[str, Any]:
    """The settings that a checkpoint carries, as a dict that JSON can hold; `norm` is the built kind."""
    settings = {name: config[name] for name in NETWORK_KEYS + CANVAS_KEYS}
    return {**settings, "norm": norm_kind}


def config_from_checkpoint(
    config: Config,
    settings: Optional[Mapping[str, Any]],
    path: str,
    own_classes: bool = False,
    exported_keys: Collection[str] = (),
) -> Config:
    """`config` with the settings of a checkpoint.

    Args:
        config: the user's configuration.
        settings: the checkpoint's settings; None for a file without any, which changes nothing.
        path: the checkpoint's path, for messages.
        own_classes: whether class names that the user wrote (or coco_classes=auto) are kept.
        exported_keys: keys that are fixed if the file is an exported one.

    Raises:
        ConfigError: for a key that the user set to another value; the message has both values.
        CheckpointError: for a setting that this version does not know.
    """
    if settings is None:
        return config
    user_wrote_classes = bool(config.written & {"coco_classes", "num_classes"})
    changes = {}
    for name, value in settings.items():
        if name == CAUTION:
            continue
        if name not in config:
            raise CheckpointError(
                f"checkpoint {path}: made with a setting '{name}' that this version does not know"
            )
        value = lists_to_tuples(value)
        if own_classes and user_wrote_classes and name in ("coco_classes", "num_classes"):
            continue
        if name in config.written and config[name] not in (value, "auto"):
            contradiction = f"{name}={_tuples_to_lists(config[name])} contradicts {path}"
            if name in exported_keys:
                raise ConfigError(f"{contradiction}, which was exported with {_tuples_to_lists(value)}")
            if name in CANVAS_KEYS:
                continue
            raise ConfigError(f"{contradiction}, whose weights were trained with {_tuples_to_lists(value)}")
        changes[name] = value
    return settings_from(config, path, changes)


def lists_to_tuples(value: Any) -> Any:
    """A value from JSON in the configuration's form: lists become tuples, nested ones too."""
    return tuple(lists_to_tuples(item) for item in value) if isinstance(value, list) else value


def _tuples_to_lists(value):
    return [_tuples_to_lists(item) for item in value] if isinstance(value, tuple) else value
