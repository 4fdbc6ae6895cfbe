"""Class maps: what classes are renamed to, joined, or left out."""

from __future__ import annotations

import os
from typing import Dict, Iterable, Mapping, Optional, Sequence, Tuple

import yaml

from ...errors import ConfigError

ClassMap = Mapping[str, Optional[str]]  # {name: new name, or None: left out}


def read_class_map(text: Optional[str]) -> Dict[str, Optional[str]]:
    """The class map of a command's words.

    Args:
        text: "cat=kitty,dog=" or the path of a YAML file {cat: kitty, dog: }; None: nothing changes.

    Raises:
        ConfigError: it cannot be read, or says two things of one class.
    """
    if text is None:
        return {}
    if os.path.splitext(text)[1].lower() in (".yaml", ".yml", ".json"):
        return _from_file(text)
    found: Dict[str, Optional[str]] = {}
    for word in text.split(","):
        name, equals, new = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise ConfigError(
                f"--classes {text}: {word!r} is not OLD=NEW; write cat=kitty,dog= (dog is left out), "
                "or name a YAML file"
            )
        if name in found:
            raise ConfigError(f"--classes {text}: {name!r} is there twice")
        found[name] = new or None
    return _checked(found, text)


def _from_file(path: str) -> Dict[str, Optional[str]]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise ConfigError(f"--classes {path}: {reason}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--classes {path}: lines OLD: NEW expected, such as 'cat: kitty'")
    return _checked(
        {str(name): None if new in (None, "") else str(new) for name, new in content.items()}, path
    )


def _checked(found, text):
    if "background" in found.values():
        raise ConfigError(
            f"--classes {text}: no class can be called background; leave NEW empty to leave one out"
        )
    return found


def mapped_classes(
    class_lists: Sequence[Sequence[str]], class_map: ClassMap
) -> Tuple[Tuple[str, ...], Sequence[Sequence[int]]]:
    """The classes of all sources after the map.

    Args:
        class_lists: for each source its names by label, "background" first.
        class_map: {name: new name, or None}; others keep their names.

    Returns:
        (names by label, for each source the new label by label; 0: left out)

    Raises:
        ConfigError: the map names a class that no source has, or leaves out all.
    """
    known = dict.fromkeys(name for names in class_lists for name in names[1:])
    for name in class_map:
        if name not in known:
            raise ConfigError(f"--classes: no class is called {name!r}; there are {_listed(known)}")
    found: Dict[str, int] = {"background": 0}
    label_maps = []
    for names in class_lists:
        labels = [0]
        for name in names[1:]:
            new = class_map.get(name, name)
            labels.append(0 if new is None else found.setdefault(new, len(found)))
        label_maps.append(labels)
    if len(found) == 1:
        raise ConfigError("--classes leaves out every class")
    return tuple(found), label_maps


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
