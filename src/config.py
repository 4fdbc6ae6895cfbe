"""The configuration: `load_config`, which every command uses.

Precedence: the defaults < `--config FILE` (YAML) < `KEY=VALUE` words. Every key, with its default, its
meaning and all that is known about it, stands in `src/settings/keys/`. docs/configuration.md is made from
there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .errors import ConfigError
from .settings.frozen_config import Config
from .settings.keys import KEYS
from .settings.keys.coco_classes import COCO_CLASSES
from .settings.reader import read_settings
from .settings.rules import finalize

__all__ = [
    "COCO_CLASSES",
    "KEYS",
    "Config",
    "changed",
    "keys_with",
    "load_config",
    "settings_from",
    "values_with",
]


def load_config(words: Sequence[str] = (), config_file: Optional[Path] = None) -> Config:
    """The frozen configuration from a YAML file (or None) and `KEY=VALUE` words.

    Raises:
        ConfigError: Names the key, the value and what is expected.
    """
    values, written = read_settings(KEYS, config_file, words)
    return Config(finalize(KEYS, values, written), written)


def changed(config: Config, **changes: Any) -> Config:
    """A copy of `config` with other values, as if the user had written them."""
    written = config.written | set(changes)
    return Config(finalize(KEYS, {**config.replace(**changes)}, written), written)


def settings_from(config: Config, origin: str, settings: Mapping[str, Any]) -> Config:
    """`config` with the settings that `origin` (a checkpoint's name) carries, which then count as written."""
    known = {name: value for name, value in settings.items() if name in config}
    written = config.written | set(known)
    try:
        return Config(finalize(KEYS, {**config, **known}, written), written)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None


def values_with(config: Config, fact: str, value: bool = True) -> Dict[str, Any]:
    """{name: value} of the keys with a fact of `Key`."""
    return {name: config[name] for name in keys_with(fact, value)}


def keys_with(fact: str, value: bool = True) -> Tuple[str, ...]:
    """The names of the keys with a fact of `Key`, for instance keys_with("network")."""
    return tuple(key.name for key in KEYS if getattr(key, fact) is value)
