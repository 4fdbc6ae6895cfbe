"""Picture names that are written in another way than the files are called."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import Any, Dict, Optional
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile("[A-Za-z]:/")  # how absolute Windows paths begin, with backslashes read as "/"


def leads_out(file_name: str) -> bool:
    """Whether a picture's name is absolute or leads out of its folder: annotation files are not trusted.

    Backslashes count as "/", and Windows paths with a drive as absolute.
    """
    name = file_name.replace("\\", "/")
    if os.path.isabs(name) or "\0" in name or _DRIVE.match(name):
        return True
    return os.path.normpath(name).split(os.sep)[0] == ".."


def name_from_url(url: Any, folders: int = 0) -> Optional[str]:
    """The last part of a URL's path, as LVIS means with coco_url; None where there is none.

    folders: how many parts before the last one belong to it.
    """
    if not isinstance(url, str):
        return None
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return unquote("/".join(path.split("/")[-1 - folders :])) or None


class NormalisedNames:
    """Finds files of one folder whose names are in another Unicode normalisation than they are written.

    An accented letter may be one character (NFC) or a letter and an accent (NFD); both look the same. A
    folder is listed when a name is missing there, and once.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self._listed: Dict[str, Dict[str, str]] = {}  # {folder: {name in NFC: name on the disk}}

    def find(self, name: str) -> str:
        """The name under which the file is there; `name` itself if it is, or if none like it is.

        Args:
            name: a path below the folder with "/".
        """
        if name.isascii() or os.path.lexists(os.path.join(self.folder, name)):
            return name
        parts = name.split("/")
        folder = self.folder
        for i, part in enumerate(parts):
            if part and not os.path.lexists(os.path.join(folder, part)):
                parts[i] = self._names(folder).get(unicodedata.normalize("NFC", part))
                if parts[i] is None:
                    return name
            folder = os.path.join(folder, parts[i])
        return "/".join(parts)

    def _names(self, folder):
        if folder not in self._listed:
            try:
                names = sorted(os.listdir(folder))
            except OSError:  # the check of the picture says what is wrong with the folder
                names = []
            self._listed[folder] = {unicodedata.normalize("NFC", name): name for name in names}
        return self._listed[folder]
