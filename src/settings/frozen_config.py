"""`Config`: the read-only result of reading the settings."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import Any, Collection, Iterator, Mapping

from ..errors import ConfigError


class _FrozenDict(dict):
    """A mapping value of the configuration: reads (and JSON) as a dict, cannot be written to."""

    def _refuse(self, *args, **kwargs):
        raise ConfigError("the configuration is frozen; make a changed copy with config.replace(...)")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self):
        return _FrozenDict, (dict(self),)


class Config(Mapping):
    """A read-only configuration: `config.img_width`, or `config["img_width"]`.

    Attributes:
        written: The names that a file or a word set.
    """

    def __init__(self, values: Mapping[str, Any], written: Collection[str] = ()):
        frozen = {
            name: _FrozenDict(value) if isinstance(value, dict) else value for name, value in values.items()
        }
        object.__setattr__(self, "_values", MappingProxyType(frozen))
        object.__setattr__(self, "written", frozenset(written))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(unknown_key(name, self._values)) from None

    def __setattr__(self, name, value):
        raise ConfigError(
            f"{name}={value!r}: the configuration is frozen; "
            f"make a changed copy with config.replace({name}=...)"
        )

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self):
        return Config, (dict(self._values), self.written)

    def replace(self, **changes: Any) -> "Config":
        """A copy with other values; unknown names are errors. Derived keys are not computed again."""
        for name in changes:
            if name not in self._values:
                raise ConfigError(unknown_key(name, self._values))
        return Config({**self._values, **changes}, self.written | set(changes))


def unknown_key(name: str, names: Collection[str]) -> str:
    """The message for a name that is no key, with the nearest one."""
    nearest = difflib.get_close_matches(str(name), list(names), 1, 0.5)
    hint = f"the nearest is '{nearest[0]}'" if nearest else "src/config.py lists every key"
    return f"unknown configuration key '{name}'; {hint}"
