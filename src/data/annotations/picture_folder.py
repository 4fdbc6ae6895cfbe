"""The picture files that an annotation file names."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional, Tuple

from ...errors import DataError
from ..finding_kinds import PICTURE_KINDS
from ..findings import Findings, short
from ..images.decode import picture_size
from ..images.picture_checks import check_picture, picture_detail
from .mending.picture_names import NormalisedNames, leads_out


class PictureEntry(NamedTuple):
    """One picture as an annotation file lists it.

    Attributes:
        image_id: the file's id.
        path: the picture file.
        width, height: pixels of the displayed picture. Width 0 marks a picture that cannot be used.
        location: where the annotation file lists it.
    """

    image_id: int
    path: str
    width: int
    height: int
    location: str


class PictureFolder:
    """Finds the pictures that an annotation file names, below its folder.

    Args:
        folder: path of the folder.
        findings: problems with names and picture files are added here.
        id_word: what users know an image id as: "image", or "line" in a txt file.
    """

    def __init__(self, folder: str, findings: Findings, id_word: str):
        self.folder = str(folder)
        self.findings = findings
        self.id_word = id_word
        self._normalised = NormalisedNames(self.folder)
        self._image_ids = {}  # {picture name: the first image id that has it}

    def path(self, name: str, location: str, image_id: int) -> Optional[str]:
        """The path of a picture by its name; None for a name that leads out of the folder.

        That, and a name that is listed twice, are findings.
        """
        if leads_out(name):
            detail = f"the picture name {short(name)} leads out of the picture folder {self.folder}"
            detail += "; write names relative to it"
            self.findings.add("image_outside", location, image_id, detail=detail)
            return None
        name = self._mended_name(name, location, image_id)
        if name in self._image_ids:
            detail = f"{name}, also {self.id_word} {self._image_ids[name]}"
            self.findings.add("image_file_twice", location, image_id, detail=detail)
        self._image_ids.setdefault(name, image_id)
        return os.path.join(self.folder, name)

    def _mended_name(self, written, location, image_id):
        """The name under which a picture is there, as far as that is certain; changes are findings."""
        name = written
        # elsewhere than on Windows a file's name may have backslashes
        if "\\" in name and not os.path.lexists(os.path.join(self.folder, name)):
            name = name.replace("\\", "/")
            self.findings.add("name_backslash", location, image_id, detail=f"{short(written)} is {name}")
        present = self._normalised.find(name)
        if present != name:
            detail = f"{ascii(name)} is {ascii(present)} in the folder"
            self.findings.add("name_unicode", location, image_id, detail=detail)
        return present

    def size(self, path: str, location: str, image_id: int, reason: str = "") -> Optional[Tuple[int, int]]:
        """(height, width) in pixels of the displayed picture; None, with a finding, where it cannot be read.

        reason: why the size is needed, the start of the finding's detail.
        """
        try:
            return picture_size(path)
        except DataError:
            picture_findings = check_picture(path, decode=False)
        kind = "picture_unreadable"
        detail = ""
        if picture_findings and picture_findings[-1].kind in PICTURE_KINDS:
            kind, detail = picture_findings[-1]
        detail = reason + picture_detail(path, kind, detail, image_id)
        self.findings.add(kind, location, image_id, detail=detail)
        return None
