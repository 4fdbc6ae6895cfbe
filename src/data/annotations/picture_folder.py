"""The picture files that an annotation file names."""

from __future__ import annotations

import os

from ...errors import DataError
from ..findings import PICTURE_KINDS, short
from ..images.decode import picture_size
from ..images.picture_checks import check_picture, picture_detail
from .records import leads_out


class PictureFolder:
    """The pictures that an annotation file names, below its folder; counted: what the file tells pictures by ("image" ids, or a "line")."""

    def __init__(self, folder, findings, counted):
        self.folder, self.findings, self.counted = str(folder), findings, counted
        self._seen = {}

    def path(self, name, place, image_id):
        """The path of a picture's name, None for one that leads out of the folder. That, and a name that comes again, are findings."""
        if leads_out(name):
            return self.findings.add(
                "image_outside",
                place,
                image_id,
                detail=(
                    f"the picture name {short(name)} leads out of the picture folder {self.folder}; write names relative to it"
                ),
            )
        if name in self._seen:
            self.findings.add(
                "image_file_twice", place, image_id, detail=f"{name}, also {self.counted} {self._seen[name]}"
            )
        self._seen.setdefault(name, image_id)
        return os.path.join(self.folder, name)

    def size(self, path, place, image_id, why=""):
        """(height, width) in pixels as the picture is displayed, None where it cannot tell; then the finding begins with `why` it was asked."""
        try:
            return picture_size(path)
        except DataError:
            found = check_picture(path, decode=False)
            kind, detail = (
                found[-1] if found and found[-1][0] in PICTURE_KINDS else ("picture_unreadable", "")
            )
            return self.findings.add(
                kind, place, image_id, detail=why + picture_detail(path, kind, detail, image_id)
            )
