"""Names of pictures in a data set: each has its own, and the form can hold it."""

from __future__ import annotations

import os
import unicodedata
from typing import Dict, Set


class PictureNames:
    """Gives each picture a name of its own: a second a.jpg becomes a_2.jpg.

    Args:
        by_stem: whether a.jpg and a.png are one name, as each picture has a file of labels.
        forbidden: characters that become "_". So do those that cannot be printed.

    Attributes:
        changed: how many names are others than they were.
    """

    def __init__(self, by_stem: bool, forbidden: str = ""):
        self._by_stem = by_stem
        self._forbidden = forbidden
        self._taken: Set[str] = set()
        self._numbers: Dict[str, int] = {}
        self.changed = 0

    def take(self, name: str) -> str:
        """The name, relative with "/", or one like it that was not given before."""
        plain = "".join(
            letter if letter.isprintable() and letter not in self._forbidden else "_" for letter in name
        )
        plain = "/".join(part.strip(" ") or "_" for part in plain.split("/"))
        stem, suffix = os.path.splitext(plain)
        first = self._key(stem, suffix)
        number = self._numbers.get(first, 1)
        given = plain if number == 1 else f"{stem}_{number}{suffix}"
        while self._key(*os.path.splitext(given)) in self._taken:
            number += 1
            given = f"{stem}_{number}{suffix}"
        self._numbers[first] = number
        self._taken.add(self._key(*os.path.splitext(given)))
        self.changed += given != name
        return given

    def _key(self, stem: str, suffix: str) -> str:
        """Equal for names that a file system may take for one: in other case, or composed otherwise."""
        name = stem if self._by_stem else stem + suffix
        return unicodedata.normalize("NFC", name).casefold()
