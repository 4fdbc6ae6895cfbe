"""COCO's list of images: which pictures there are, and how large."""

from __future__ import annotations

import os
from typing import Any, List, Mapping, Optional, Tuple

from ..findings import Findings, short
from .json_values import whole_number
from .mending.picture_names import name_from_url
from .picture_folder import PictureEntry, PictureFolder

_MAX_PIXELS = 2**30  # of the largest picture that OpenCV decodes
UNKNOWN_SIDE = 30_000  # pixels: the sides of a picture whose size nothing tells; under _MAX_PIXELS in all


class ImageCollector:
    """Collects the images that `add` gets, chunk by chunk.

    Args:
        folder: where the picture files are; None: they are not at hand, and names are not needed.
        findings: what is left out or corrected is added here.
        sizes: {image id: (height, width)}, which replaces the sizes in the file.

    Attributes:
        image_ids: the ids of the usable entries, in the file's order.
        pictures: their PictureEntries; width 0 for a picture file that cannot be used.
    """

    def __init__(
        self, folder: Optional[str], findings: Findings, sizes: Optional[Mapping[int, Tuple[int, int]]] = None
    ):
        self.findings = findings
        self.folder = None if folder is None else PictureFolder(folder, findings, "image")
        self.sizes = sizes or {}
        self.image_ids: List[int] = []
        self.pictures: List[PictureEntry] = []
        self._locations = {}  # {image id: where it is}

    def add(self, first: int, items: List[Any]) -> None:
        """Add the images at the positions first, first + 1, ... of the file's list."""
        for index, image in enumerate(items, first):
            self._add_image(f"images[{index}]", image)

    def _add_image(self, location, image):
        findings = self.findings
        if not isinstance(image, dict):
            findings.add("image_form", location, detail="an object with an id and a file_name expected")
            return
        image_id = whole_number(image.get("id"))
        if image_id is None:
            whose = f"the id of {short(image['file_name'])}" if image.get("file_name") else "its id"
            detail = f"{whose} is {short(image.get('id'))}; a whole number expected"
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
        if self.folder is None:
            path, width, height = self._size_alone(image_id, image)
        else:
            path, width, height = self._picture(location, image_id, image)
        self.image_ids.append(image_id)
        self.pictures.append(PictureEntry(image_id, path, width, height, location))

    def _name(self, location, image_id, image):
        """The picture's name; None, with a finding, where there is none."""
        name = image.get("file_name")
        if name in (None, ""):
            url = image.get("coco_url")
            name = name_from_url(url)
            with_folder = name_from_url(url, folders=1)
            # LVIS has pictures of train2017 and val2017 in one file
            if with_folder and os.path.isfile(os.path.join(self.folder.folder, with_folder)):
                name = with_folder
            if name:
                detail = f"{name} from {short(image['coco_url'])}"
                self.findings.add("image_url", location, image_id, detail=detail)
        if isinstance(name, str) and name:
            return name
        detail = "it has no file_name, and no coco_url with a name at its end" if name is None else ""
        detail = detail or f"its file_name is {short(name)}; the name of a picture file expected"
        self.findings.add("image_form", location, image_id, detail=detail)
        return None

    def _picture(self, location, image_id, image):
        """(path, width, height)."""
        name = self._name(location, image_id, image)
        if name is None:
            return "", 0, 0
        path = self.folder.path(name, f"{location}.file_name", image_id)
        if path is None:
            return name, 0, 0
        width = whole_number(image.get("width"))
        height = whole_number(image.get("height"))
        if not _is_size(width, height):
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

    def _size_alone(self, image_id, image):
        """(name, width, height) of a picture whose file is not at hand."""
        if image_id in self.sizes:
            height, width = self.sizes[image_id]
        else:
            width = whole_number(image.get("width"))
            height = whole_number(image.get("height"))
            if not _is_size(width, height):
                # No detection is compared with its masks, so any size that holds them will do.
                width = UNKNOWN_SIDE
                height = UNKNOWN_SIDE
        return str(image.get("file_name") or ""), width, height


def _is_size(width, height):
    if width is None or height is None:
        return False
    return min(width, height) > 0 and width * height <= _MAX_PIXELS
