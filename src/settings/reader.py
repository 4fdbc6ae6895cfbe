"""Reading settings: the defaults, a YAML file and KEY=VALUE words, each value typed by its key."""

from __future__ import annotations

import difflib
import math
import os
from pathlib import Path
from typing import Any, Dict, FrozenSet, NamedTuple, Optional, Sequence, Tuple

import yaml

from ..errors import ConfigError
from .frozen_config import unknown_key
from .keys.key import Key, describe_kind, describe_path

_TRUTH_WORDS = ("true", "false", "yes", "no", "on", "off")


def read_settings(
    keys: Sequence[Key], config_file: Optional[Path], words: Sequence[str]
) -> Tuple[Dict[str, Any], FrozenSet[str]]:
    """The defaults, overridden by a YAML file, overridden by KEY=VALUE words.

    Returns:
        (a value of every key, the names that were written)

    Raises:
        ConfigError: An unknown key, or a value that is not of its key's type.
    """
    table = {key.name: key for key in keys}
    values = {key.name: key.default for key in keys}
    written = {}
    for source, pairs in (
        ("file", _read_yaml(config_file)),
        ("words", [_split_word(word) for word in words]),
    ):
        layer = {}
        for name, value in pairs:
            if name not in table:
                raise ConfigError(
                    unknown_key(name, table) + (f" (in {config_file})" if source == "file" else "")
                )
            layer[name] = _typed(table[name], value)
        _spread_aliases(table, layer)
        written.update(layer)
    for name, value in written.items():
        values[name] = {**values[name], **value} if isinstance(values[name], dict) else value
    return values, frozenset(written)


def _read_yaml(path):
    if path is None:
        return []
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date such as 2001-99-99
        raise ConfigError(f"--config {path}: not a YAML file: {' '.join(str(error).split())}") from None
    if content is None:
        return []
    if not isinstance(content, dict):
        raise ConfigError(f"--config {path}: KEY: VALUE lines expected, found a {type(content).__name__}")
    texts = yaml.load(text, yaml.BaseLoader)
    return [(name, _Value(value, texts.get(str(name)))) for name, value in content.items()]


def _split_word(word):
    name, equals, text = str(word).partition("=")
    if not equals or not name:
        raise ConfigError(f"'{word}' is not a KEY=VALUE word")
    return name, _Text(text)


class _Text(str):
    """A value as typed on a command line: text for a text key, YAML for any other."""


class _Value(NamedTuple):
    """A value of a YAML file, as YAML reads it and with all its parts as they are written.

    For YAML 1.1 the bare words no, yes, on, off and null are no texts, and 007 is 7. As class names they are
    meant as they are written.
    """

    value: Any
    as_written: Any


def _typed(key, value):
    kind = key.type
    if isinstance(value, _Value):
        takes_texts = _is_text_list(kind) and isinstance(value.as_written, list)
        value = value.as_written if takes_texts else value.value
    if isinstance(value, _Text):
        text = str(value)
        if kind is str or (isinstance(kind, tuple) and kind[0] == text):
            value = text if text not in ("", "none", "None", "null") or key.default is not None else None
        else:
            try:
                value = yaml.safe_load(text)
                if _is_text_list(kind) and isinstance(value, list):
                    value = yaml.load(text, yaml.BaseLoader)
            except (yaml.YAMLError, ValueError):  # ValueError: a date such as 2001-99-99
                raise ConfigError(f"{key.name}={text}: {describe_kind(kind)} expected") from None
            value = None if value == "none" or value == "None" else value
    if value is None:
        if key.default is None:
            return None
        raise ConfigError(f"{key.name}: a value is needed ({describe_kind(kind)})")
    if key.path:
        value = _path(key, value)
    try:
        value = _convert(kind, value, key)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{key.name}={value}: {describe_kind(kind)} expected") from None
    if key.choices and value not in key.choices:
        near = difflib.get_close_matches(str(value), key.choices, 1, 0.5)
        hint = f"; the nearest is '{near[0]}'" if near else ""
        raise ConfigError(f"{key.name}={value}: one of {', '.join(key.choices)} expected{hint}")
    return value


def _is_text_list(kind):
    """Whether a kind is a list of texts, or a word or such a list."""
    return isinstance(kind, tuple) and (kind == (str,) or (len(kind) == 2 and _is_text_list(kind[1])))


def _path(key, value):
    """A path with the home folder for `~`; a truth value is no path."""
    word = ("on" if value else "off") if isinstance(value, bool) else value
    if isinstance(word, str) and word.lower() in _TRUTH_WORDS and word not in key.words:
        none = f"; {key.name}=none: not set" if key.default is None else ""
        raise ConfigError(
            f"{key.name}={value}: a text expected, {describe_path(key)}{none}; "
            f"./{value}: a file or folder called so"
        )
    return os.path.expanduser(value) if isinstance(value, str) else value


def _convert(kind, value, key):
    if isinstance(kind, tuple) and len(kind) == 2:
        return value if value == kind[0] else _convert(kind[1], value, key)
    if isinstance(kind, tuple):
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError
        return tuple(_convert(kind[0], item, key) for item in value)
    if kind is dict:
        if not isinstance(value, dict):
            raise ValueError
        for name in value:
            if name not in key.default:
                raise ConfigError(
                    unknown_key(f"{key.name}.{name}", [f"{key.name}.{known}" for known in key.default])
                )
        return {name: _convert(type(key.default[name]), item, key) for name, item in value.items()}
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise TypeError
        if not math.isfinite(float(value)):  # YAML reads 1e-4 as text; it is a number all the same
            raise ValueError
        return float(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if kind is str and isinstance(value, bool):  # YAML 1.1 reads the bare words on and off so
        value = "on" if value else "off"
        if value not in key.choices + key.words:
            raise TypeError
    if type(value) is not kind:
        raise TypeError
    return value


def _spread_aliases(table, layer):
    """Give both names of one thing the same value; two values within one source contradict each other."""
    for key in table.values():
        if key.alias is None:
            continue
        names = [name for name in (key.name, key.alias) if name in layer]
        if len(names) == 2 and layer[names[0]] != layer[names[1]]:
            both = " and ".join(f"{name}={layer[name]}" for name in names)
            raise ConfigError(f"{both} are two names for one thing: write one of them")
        if names:
            layer[key.name] = layer[key.alias] = layer[names[0]]
