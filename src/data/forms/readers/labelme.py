"""LabelMe: a JSON file for each picture (https://github.com/wkentaro/labelme).

    {"version": "5.5.0", "imagePath": "cat.jpg", "imageData": null or base64, "imageHeight": 375,
     "imageWidth": 500, "shapes": [
        {"label": "cat", "shape_type": "polygon", "points": [[x, y], ...], "group_id": null or number,
         "mask": null or base64 of a PNG}]}

Polygons, rectangles (two corners, or four since version 5.8), circles (centre and a point of the circle) and
masks (two corners, the pixels from the first to the second, and a PNG) are objects. Shapes of a picture with
the same label and the same group_id are parts of one object. Points and lines have no area, and are left out,
as are shapes with the label `__ignore__`; those with `_background_` stand for no object.
"""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence

import cv2
import numpy as np

from ...findings import Findings, short
from ..collect import BACKGROUND
from ..embedded import embedded_picture
from ..grouped_parts import Part, grouped_objects
from ..items import Form, FormSource, LabelledPicture, PartMask
from ..label_files import files_below, head, place_of, read_json
from ..listing import Listing
from ..outlines import are_numbers, ellipse, rectangle
from ..picture_finder import PictureFinder

_WITHOUT_AREA = ("point", "points", "line", "linestrip")
_IGNORED = "__ignore__"
_BACKGROUND = "_background_"


def _find(listing: Listing) -> Sequence[Path]:
    return [path for path in listing.first_files((".json",)) if _is_labelme(head(path))]


def _is_labelme(text):
    return '"shapes"' in text and ('"imagePath"' in text or '"imageData"' in text or '"shape_type"' in text)


def _files(source: FormSource) -> List[Path]:
    """The JSON files but those that are another tool's, such as a COCO file beside them."""
    return [path for path in files_below(source.root, (".json",)) if not _is_other_json(head(path))]


def _is_other_json(text):
    """Whether a JSON file is none of LabelMe's. One that is empty or cut off early may be."""
    is_other = '"annotations"' in text or '"categories"' in text
    return not _is_labelme(text) and (is_other or text.rstrip().endswith(("}", "]")))


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    finder = PictureFinder(source.root, source.pictures, findings)
    for path in _files(source):
        place = place_of(path, source.root)
        content = read_json(path, place, findings)
        if content is not None:
            yield from _picture(content, path, place, source, finder, findings)


def _picture(content, path, place, source, finder, findings):
    """The picture of a label file; none, with a finding, of one that is no LabelMe file."""
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        findings.add("label_file_form", place, detail="an object with a list of 'shapes' expected")
        return
    size = (content.get("imageWidth"), content.get("imageHeight"))
    objects = grouped_objects(_parts(shapes, place, findings))
    yield LabelledPicture(_path(content, path, place, source, finder, findings), size, objects, place)


def _path(content, path, place, source, finder, findings):
    """The path of a label file's picture; one within the file is used only where no file is there."""
    name = content.get("imagePath")
    data = content.get("imageData")
    if isinstance(data, str) and data:
        quiet = PictureFinder(source.root, source.pictures, Findings("", collect=True))
        found = quiet.find(name, path.parent, place) if isinstance(name, str) and name else ""
        return found or embedded_picture(data, source.embedded, place, findings)
    if not isinstance(name, str) or not name:
        return finder.find_stem(path.stem, path.parent, place)
    return finder.find(name, path.parent, place)


def _parts(shapes: List[Any], place: str, findings: Findings) -> Iterator[Part]:
    """The shapes of a picture that are objects or parts of them."""
    for index, shape in enumerate(shapes):
        where = f"shapes[{index}]"
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            findings.add("label_shape", f"{place}: {where}", detail="an object with a label expected")
            continue
        if label == _IGNORED:
            findings.add("label_ignored", f"{place}: {where}")
            continue
        read = _shape(shape, f"{place}: {where}", findings)
        if read is not None:
            group = shape.get("group_id")
            name = BACKGROUND if label == _BACKGROUND else label
            yield Part(name, group if type(group) in (int, str) else None, where, *read)


def _shape(shape: dict, place: str, findings: Findings) -> Optional[tuple]:
    """(polygon as a list, or PartMask; whether it is a rectangle); None after a finding."""
    kind = shape.get("shape_type") or "polygon"
    points = shape.get("points")
    pairs = points if isinstance(points, list) else []
    is_valid = bool(pairs) and all(
        isinstance(point, (list, tuple)) and len(point) == 2 and are_numbers(point) for point in pairs
    )
    flat = [float(value) for point in pairs for value in point] if is_valid else []
    if kind in _WITHOUT_AREA:
        findings.add("label_without_area", place, detail=str(kind))
        return None
    if kind == "polygon" and is_valid:
        return flat, False
    if kind == "rectangle" and len(flat) in (4, 8):
        return rectangle(min(flat[0::2]), min(flat[1::2]), max(flat[0::2]), max(flat[1::2])), True
    if kind == "circle" and len(flat) == 4:
        radius = math.hypot(flat[2] - flat[0], flat[3] - flat[1])
        return ellipse(flat[0], flat[1], radius, radius), False
    if kind == "mask" and len(flat) == 4:
        mask = _mask(shape.get("mask"))
        if mask is not None:
            return PartMask(round(min(flat[0], flat[2])), round(min(flat[1], flat[3])), mask), False
    detail = f"shape_type {short(kind)} with the points {short(points)}"
    findings.add("label_shape", place, detail=detail)
    return None


def _mask(text: Any) -> Optional[np.ndarray]:
    """bool [h, w] of a PNG as base64 text; None for what is not that."""
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # OpenCV refuses an empty buffer with an exception
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    return None if image is None else image > 0


FORM = Form(name="labelme", title="LabelMe", find=_find, files=_files, read=_read)
