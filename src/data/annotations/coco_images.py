"""COCO's list of images: which pictures there are, and how large."""

from __future__ import annotations

from typing import Any, List

from ..findings import Findings, short
from .json_values import whole_number
from .picture_folder import PictureEntry, PictureFolder

_MAX_PIXELS = 2**30  # of the largest picture that OpenCV decodes


class ImageCollector:
    """Collects the images that `add` gets, chunk by chunk.

    Attributes:
        image_ids: the ids of the usable entries, in the file's order.
        pictures: their PictureEntries; width 0 for a picture file that cannot be used.
    """

    def __init__(self, folder: str, findings: Findings):
        self.findings = findings
        self.folder = PictureFolder(folder, findings, "image")
        self.image_ids: List[int] = []
        self.pictures: List[PictureEntry] = []
        self._locations = {}  # {image id: where it is}

    def add(self, first: int, items: List[Any]) -> None:
        """Add the images at the positions first, first + 1, ... of the file's list."""
        for index, image in enumerate(items, first):
            self._add_image(f"images[{index}]", image)

    def _add_image(self, location, image):
        findings = self.findings
        if (
            not isinstance(image, dict)
            or not isinstance(image.get("file_name"), str)
            or not image["file_name"]
        ):
            findings.add("image_form", location, detail="an object with an id and a file_name expected")
            return
        name = image["file_name"]
        image_id = whole_number(image.get("id"))
        if image_id is None:
            detail = f"the id of {short(name)} is {short(image.get('id'))}; a whole number expected"
            findings.add("image_form", location, detail=detail)
            return
        if image_id in self._locations:
            detail = f"the image id {image_id} is used twice, first in {self._locations[image_id]}"
            findings.add("image_twice", location, image_id, detail=f"{detail}; give each picture its own")
            return
        self._locations[image_id] = location
        if type(image["id"]) is not int:
            findings.add("respelled", f"{location}.id", image_id)
        if abs(image_id) > 2**32:
            findings.add("large_id", f"{location}.id", image_id)
        path, width, height = self._picture(location, image_id, name, image)
        self.image_ids.append(image_id)
        self.pictures.append(PictureEntry(image_id, path, width, height, location))

    def _picture(self, location, image_id, name, image):
        """(path, width, height)."""
        path = self.folder.path(name, f"{location}.file_name", image_id)
        if path is None:
            return name, 0, 0
        width = whole_number(image.get("width"))
        height = whole_number(image.get("height"))
        if width is None or height is None or width < 1 or height < 1 or width * height > _MAX_PIXELS:
            reason = "no usable width and height in the file, and they cannot be read from the picture: "
            size = self.folder.size(path, location, image_id, reason)
            if size is None:
                return path, 0, 0
            height, width = size
            self.findings.add("image_size_missing", location, image_id)
        else:
            for side in ("width", "height"):
                if type(image[side]) is not int:
                    self.findings.add("respelled", f"{location}.{side}", image_id)
        return path, width, height
