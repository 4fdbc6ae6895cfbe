"""The machinery under `src/config.py`: typed keys, YAML and KEY=VALUE reading, and the frozen result."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Mapping, Optional, Sequence, Tuple

import yaml

from ..errors import ConfigError


@dataclass(frozen=True)
class Key:
    """One configuration key.

    `kind` is the type of a value: a type, a 1-tuple `(type,)` for a list of them, or `("word", kind)` for a word or that kind.
    It follows from the default where it is not given. `words` of a text without `choices` are no free text. `alias` names the key that
    this one is another name of.
    """

    name: str
    default: Any
    meaning: str
    kind: Any = None
    choices: Tuple[str, ...] = ()
    alias: Optional[str] = None
    words: Tuple[str, ...] = ()

    @property
    def type(self):
        return _kind_of(self.default) if self.kind is None else self.kind


class _FrozenDict(dict):
    """A mapping value of the configuration: reads (and JSON) as a dict, cannot be written to."""

    def _refuse(self, *args, **kwargs):
        raise ConfigError("the configuration is frozen; make a changed copy with config.replace(...)")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self):
        return _FrozenDict, (dict(self),)


class Config(Mapping):
    """A read-only configuration: `config.img_width`, or `config["img_width"]`.

    `written` holds the names that a file or a word set. `replace` gives a changed copy.
    """

    def __init__(self, values, written=()):
        frozen = {
            name: _FrozenDict(value) if isinstance(value, dict) else value for name, value in values.items()
        }
        object.__setattr__(self, "_values", MappingProxyType(frozen))
        object.__setattr__(self, "written", frozenset(written))

    def __getattr__(self, name):
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(unknown_key(name, self._values)) from None

    def __setattr__(self, name, value):
        raise ConfigError(
            f"{name}={value!r}: the configuration is frozen; make a changed copy with config.replace({name}=...)"
        )

    def __getitem__(self, name):
        return self._values[name]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def __reduce__(self):
        return Config, (dict(self._values), self.written)

    def replace(self, **changes):
        """A copy with other values; unknown names are errors. Derived keys are not computed again."""
        for name in changes:
            if name not in self._values:
                raise ConfigError(unknown_key(name, self._values))
        return Config({**self._values, **changes}, self.written | set(changes))


def unknown_key(name, names):
    near = difflib.get_close_matches(str(name), list(names), 1, 0.5)
    return f"unknown configuration key '{name}'" + (
        f"; the nearest is '{near[0]}'" if near else "; src/config.py lists every key"
    )


def read_settings(keys: Sequence[Key], config_file, words):
    """(values of every key, names that were written) from the defaults, a YAML file and KEY=VALUE words, later ones winning."""
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
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date such as 2001-99-99
        raise ConfigError(f"--config {path}: not a YAML file: {' '.join(str(error).split())}") from None
    if content is None:
        return []
    if not isinstance(content, dict):
        raise ConfigError(f"--config {path}: KEY: VALUE lines expected, found a {type(content).__name__}")
    return list(content.items())


def _split_word(word):
    name, equals, text = str(word).partition("=")
    if not equals or not name:
        raise ConfigError(f"'{word}' is not a KEY=VALUE word")
    return name, _Text(text)


class _Text(str):
    """A value as typed on a command line: text for a text key, YAML for any other."""


def _typed(key, value):
    kind = key.type
    if isinstance(value, _Text):
        text = str(value)
        if kind is str or (isinstance(kind, tuple) and kind[0] == text):
            value = text if text not in ("", "none", "None", "null") or key.default is not None else None
        else:
            try:
                value = yaml.safe_load(text)
            except (yaml.YAMLError, ValueError):  # ValueError: a date such as 2001-99-99
                raise ConfigError(f"{key.name}={text}: {_describe(kind)} expected") from None
            value = None if value == "none" or value == "None" else value
    if value is None:
        if key.default is None:
            return None
        raise ConfigError(f"{key.name}: a value is needed ({_describe(kind)})")
    try:
        value = _convert(kind, value, key)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{key.name}={value}: {_describe(kind)} expected") from None
    if key.choices and value not in key.choices:
        near = difflib.get_close_matches(str(value), key.choices, 1, 0.5)
        hint = f"; the nearest is '{near[0]}'" if near else ""
        raise ConfigError(f"{key.name}={value}: one of {', '.join(key.choices)} expected{hint}")
    return value


def _kind_of(default):
    if isinstance(default, (tuple, list)):
        return (_kind_of(default[0]),)
    return type(default)


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


def _describe(kind):
    if isinstance(kind, tuple) and len(kind) == 2:
        return f"'{kind[0]}' or {_describe(kind[1])}"
    if isinstance(kind, tuple):
        inner = kind[0]
        return {int: "a list of whole numbers", float: "a list of numbers", str: "a list of texts"}.get(
            inner, "a list of lists"
        )
    return {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        str: "a text",
        dict: "a mapping",
    }[kind]


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
