"""The files of a source, listed once for all that tell its form."""

from __future__ import annotations

import os
from itertools import count, islice
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

from .label_files import LOOKED_AT, files_below, walk


class ListedFolder(NamedTuple):
    """A folder.

    Attributes:
        path: of the folder.
        folders: the names of the folders in it that are listed too.
        by_suffix: {ending in small letters, with its dot: the names of the files}, without hidden files.
    """

    path: str
    folders: List[str]
    by_suffix: Dict[str, List[str]]


class Listing:
    """What `walk` finds in a source. A folder is read when it is first asked for, and then remembered.

    Files that come later are not seen: make one for each question about a source, and do not keep it.

    Args:
        root: the source: a folder, or a file, which is its own only one.
    """

    def __init__(self, root: Path):
        self.root = root
        self._listed: List[ListedFolder] = []
        self._further = walk(root)

    def folders(self) -> Iterator[ListedFolder]:
        """The root and the folders below it, in order. Of a file there are none."""
        for index in count():
            if index == len(self._listed):
                further = next(self._further, None)
                if further is None:
                    return
                self._listed.append(_listed_folder(*further))
            yield self._listed[index]

    def files(self, suffixes: Sequence[str]) -> Iterator[Path]:
        """`files_below` of the source.

        Args:
            suffixes: in small letters, with their dots.
        """
        if self.root.is_file():
            yield from files_below(self.root, suffixes)
        for folder in self.folders():
            names = [folder.by_suffix.get(suffix, ()) for suffix in suffixes]
            for name in sorted(name for of_one in names for name in of_one):
                yield Path(folder.path, name)

    def first_files(self, suffixes: Sequence[str], limit: int = LOOKED_AT) -> List[Path]:
        """The first of `files`, for telling a form."""
        return list(islice(self.files(suffixes), limit))


def _listed_folder(path, folders, names):
    by_suffix: Dict[str, List[str]] = {}
    for name in names:
        if not name.startswith("."):
            by_suffix.setdefault(os.path.splitext(name)[1].lower(), []).append(name)
    return ListedFolder(path, folders, by_suffix)
