"""Finding the pictures that label files name, which were often written on another computer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ..annotations.mending.picture_names import NormalisedNames, leads_out
from ..findings import Findings, short
from ..picture_suffixes import PICTURE_SUFFIXES


class PictureFinder:
    """Finds pictures by the names in label files.

    A name is looked for as it is written, beside its label file, below the source, and below the folder of
    the pictures; then, as label files are moved without their pictures, by its last part alone in the same
    folders. A picture outside these folders is never taken: label files are not trusted.

    Args:
        root: the source's folder.
        pictures: a folder with the pictures, or None.
        findings: names that are not found are added here.
    """

    def __init__(self, root: Path, pictures: Optional[Path], findings: Findings):
        self.findings = findings
        self._root = root.parent if root.is_file() else root
        self._pictures = pictures
        self._normalised: Dict[Path, NormalisedNames] = {}
        self._stems: Dict[Path, Dict[str, List[str]]] = {}

    def find(self, name: str, beside: Path, place: str) -> str:
        """The path of a picture by the name in a label file.

        Args:
            name: as written; backslashes count as "/".
            beside: the folder of the label file.
            place: for findings.

        Returns:
            The path; "" where no such file is there, with a finding.
        """
        written = name.replace("\\", "/")
        for folder in self._folders(beside):
            path = self._below(folder, written)
            if path:
                return path
        last = written.rsplit("/", 1)[-1]
        if last not in ("", ".", ".."):
            for folder in self._folders(beside):
                path = self._below(folder, last)
                if path:
                    return path
        places = ", ".join(dict.fromkeys(str(folder) for folder in self._folders(beside)))
        way = f"name the folder with {self.findings.options.pictures}FOLDER"
        detail = f"the picture {short(name)} is not in {places}; {way}"
        self.findings.add("label_picture_missing", place, detail=detail)
        return ""

    def find_stem(self, stem: str, beside: Path, place: str) -> str:
        """The path of the picture that is called as its label file, but for the ending.

        Args:
            stem: the label file's name without its ending.
            beside: the folder to look into first, then the folder of the pictures.
            place: for findings.

        Returns:
            The path; "" where no such file is there, with a finding.
        """
        folders = [beside] if self._pictures is None else [beside, self._pictures]
        for folder in folders:
            path = self.with_stem(stem, folder)
            if path:
                return path
        detail = f"no picture called {short(stem)} (.jpg, .png, ...) in {', '.join(map(str, folders))}"
        detail += f"; name its folder with {self.findings.options.pictures}FOLDER"
        self.findings.add("label_picture_missing", place, detail=detail)
        return ""

    def with_stem(self, stem: str, folder: Path) -> str:
        """The path of the picture of a folder with this name but for the ending; "" without one."""
        names = self._names_by_stem(folder).get(stem, ())
        return str(folder / names[0]) if names else ""

    def first_of(self, names: Sequence[str], beside: Path) -> str:
        """The path of the first of these names under which a picture is there as written; "" without one."""
        for name in names:
            for folder in self._folders(beside):
                path = self._below(folder, name.replace("\\", "/"))
                if path:
                    return path
        return ""

    def _folders(self, beside):
        folders = [beside, self._root]
        return folders if self._pictures is None else [self._pictures, *folders]

    def _below(self, folder, name):
        """The path of a picture by its name below a folder; "" where it is not there."""
        path = os.path.normpath(os.path.join(folder, name))
        if not self._is_allowed(path):
            return ""
        if os.path.isfile(path):
            return path
        if leads_out(name):
            return ""
        if folder not in self._normalised:
            self._normalised[folder] = NormalisedNames(str(folder))
        present = self._normalised[folder].find(name)
        path = os.path.join(folder, present)
        return path if present != name and os.path.isfile(path) else ""

    def _is_allowed(self, path):
        """Whether a path is below the source or the folder of the pictures."""
        roots = [self._root] if self._pictures is None else [self._root, self._pictures]
        return any(
            os.path.commonpath([os.path.abspath(root), os.path.abspath(path)]) == os.path.abspath(root)
            for root in roots
        )

    def _names_by_stem(self, folder):
        """{name without ending: the picture files that are called so} of a folder."""
        if folder not in self._stems:
            stems: Dict[str, List[str]] = {}
            try:
                names = sorted(os.listdir(folder))
            except (OSError, ValueError):  # what was looked for is reported as missing
                names = []
            for name in names:
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in PICTURE_SUFFIXES:
                    stems.setdefault(stem, []).append(name)
            self._stems[folder] = stems
        return self._stems[folder]
