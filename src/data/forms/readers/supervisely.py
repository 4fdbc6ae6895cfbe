"""Supervisely's projects (https://developer.supervisely.com/getting-started/supervisely-annotation-format).

    meta.json                  {"classes": [{"title": "cat", "shape": "polygon"}, ...], "tags": [...]}
    dataset/img/a.jpg
    dataset/ann/a.jpg.json     {"size": {"height": 952, "width": 1200}, "tags": [], "objects": [
        {"classTitle": "cat", "geometryType": "polygon", "points": {"exterior": [[x, y], ...], "interior": []}
        {"classTitle": "cat", "geometryType": "rectangle", "points": {"exterior": [[x, y], [x, y]]}},
        {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": "eJ...", "origin": [x, y]}}]}

A bitmap's data is a PNG, compressed by zlib and written as base64; its origin is the left upper pixel. What
lies in a polygon's interior is no part of it. Objects of a class with one "instance" are parts of one object.

Supervisely has two coordinate systems. Its SDK writes whole numbers that mean the middles of pixels; its
platform has fractions from the picture's corner. A file of whole numbers alone, in polygons
and rectangles, is of the first kind: half a pixel is added, and a rectangle holds the pixels of both corners.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Union

from ....errors import DataError
from ...findings import Findings, short
from ..grouped_parts import Part, grouped_objects
from ..items import Form, FormSource, LabelledPicture, PartMask
from ..label_files import files_below, head, place_of, read_json
from ..listing import Listing
from ..mask_files import mask_values
from ..outlines import are_numbers, rectangle
from ..part_masks import holed_polygon
from ..picture_finder import PictureFinder

_WITHOUT_AREA = ("point", "line", "polyline", "graph", "points")
_MOST_BYTES = 1 << 26  # of a decompressed bitmap
_PNG_START = b"\x89PNG"
Outline = Union[List[float], PartMask]


def _find(listing: Listing) -> Sequence[Path]:
    return [path for path in listing.first_files((".json",)) if _is_supervisely(path, head(path))]


def _is_supervisely(path, text):
    return path.parent.name == "ann" and '"objects"' in text and ('"classTitle"' in text or '"size"' in text)


def _files(source: FormSource) -> List[Path]:
    if source.root.is_file():
        return [source.root]
    return [path for path in files_below(source.root, (".json",)) if path.parent.name == "ann"]


def _meta_file(source: FormSource) -> Optional[Path]:
    """meta.json, in the source or above, where that is one data set of a project."""
    folder = source.root if source.root.is_dir() else source.root.parent
    paths = (one / "meta.json" for one in (folder, *folder.absolute().parents[:2]))
    return next((path for path in paths if path.is_file()), None)


def _class_names(source: FormSource, findings: Findings) -> Optional[List[str]]:
    path = _meta_file(source)
    if path is None:
        return None
    content = read_json(path, path.name, findings)
    if content is None:
        return None
    classes = content.get("classes") if isinstance(content, dict) else None
    listed = classes if isinstance(classes, list) else [None]
    titles = [one.get("title") if isinstance(one, dict) else None for one in listed]
    if not all(isinstance(title, str) and title.strip() for title in titles):
        detail = "an object with a list of 'classes' that have a 'title' expected"
        findings.add("label_file_form", path.name, detail=detail)
        return None
    usable = [one["title"].strip() for one in classes if one.get("shape") not in _WITHOUT_AREA]
    return list(dict.fromkeys(usable)) or None


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    finder = PictureFinder(source.root, source.pictures, findings)
    for path in _files(source):
        place = place_of(path, source.root)
        content = read_json(path, place, findings)
        if content is None:
            continue
        objects = content.get("objects") if isinstance(content, dict) else None
        if not isinstance(objects, list):
            findings.add("label_file_form", place, detail="an object with a list of 'objects' expected")
            continue
        size = content["size"] if isinstance(content.get("size"), dict) else {}
        sides = (size.get("width"), size.get("height"))
        found = grouped_objects(_parts(objects, place, findings))
        yield LabelledPicture(_path(path, place, source, finder), sides, found, place)


def _path(path: Path, place: str, source: FormSource, finder: PictureFinder) -> str:
    """A label file's picture: in img beside ann, called as it is without .json, or without any ending."""
    folder = path.parent.parent / "img"
    if source.pictures is None and (folder / path.stem).is_file():
        return str(folder / path.stem)
    if Path(path.stem).suffix:
        return finder.find(path.stem, folder, place)
    return finder.find_stem(path.stem, folder, place)


def _parts(objects: List[Any], place: str, findings: Findings) -> Iterator[Part]:
    """The objects of a file that have an area: each is an object, or the part of an instance."""
    shift = 0.5 if _has_whole_numbers(objects) else 0.0
    for index, one in enumerate(objects):
        where = f"objects[{index}]"
        title = one.get("classTitle") if isinstance(one, dict) else None
        if not isinstance(title, str) or not title.strip():
            findings.add("label_shape", f"{place}: {where}", detail="an object with a 'classTitle' expected")
            continue
        kind = one.get("geometryType")
        if kind in _WITHOUT_AREA:
            findings.add("label_without_area", f"{place}: {where}", detail=str(kind))
            continue
        outline = _outline(one, shift)
        if outline is None:
            shape = one.get("bitmap") if kind == "bitmap" else one.get("points")
            findings.add("label_shape", f"{place}: {where}", detail=f"{short(kind)} with {short(shape)}")
            continue
        instance = one.get("instance")
        group = instance if isinstance(instance, str) and instance else None
        yield Part(title, group, where, outline, kind == "rectangle")


def _has_whole_numbers(objects: List[Any]) -> bool:
    """Whether all coordinates of polygons and rectangles are whole numbers."""
    numbers = [
        value
        for one in objects
        if isinstance(one, dict) and one.get("geometryType") in ("polygon", "rectangle")
        for ring in _rings(one) or ()
        for value in ring
    ]
    return all(value == int(value) for value in numbers)


def _rings(one: dict) -> Optional[List[List[float]]]:
    """The outline of a shape and its holes, x, y, x, y, ... each; None for what is not that."""
    points = one.get("points")
    if not isinstance(points, dict):
        return None
    interior = points.get("interior", [])
    rings = [points.get("exterior"), *(interior if isinstance(interior, list) else [None])]
    for ring in rings:
        if not isinstance(ring, list) or not all(
            isinstance(point, list) and len(point) == 2 and are_numbers(point) for point in ring
        ):
            return None
    return [[float(value) for point in ring for value in point] for ring in rings]


def _outline(one: dict, shift: float) -> Optional[Outline]:
    """A shape's polygon or mask; None for what is not as documented."""
    kind = one.get("geometryType")
    if kind == "bitmap":
        return _bitmap(one.get("bitmap"))
    rings = _rings(one) if kind in ("polygon", "rectangle") else None
    if rings is None:
        return None
    if kind == "rectangle":
        if len(rings[0]) != 4:
            return None
        left, right = sorted(rings[0][0::2])
        top, bottom = sorted(rings[0][1::2])
        return rectangle(left, top, right + 2 * shift, bottom + 2 * shift)
    exterior, *holes = ([value + shift for value in ring] for ring in rings)
    return holed_polygon(exterior, holes) if any(holes) else exterior


def _bitmap(bitmap: Any) -> Optional[PartMask]:
    if not isinstance(bitmap, dict) or not isinstance(bitmap.get("data"), str):
        return None
    origin = bitmap.get("origin")
    if not isinstance(origin, list) or len(origin) != 2 or not are_numbers(origin):
        return None
    try:
        data = base64.b64decode(bitmap["data"], validate=True)
        if not data.startswith(_PNG_START):
            # a small text can hold any number of zeros: no more is made of it than a mask has
            data = zlib.decompressobj().decompress(data, _MOST_BYTES)
        values = mask_values(data)
    except (binascii.Error, ValueError, zlib.error, DataError):
        return None
    return PartMask(round(origin[0]), round(origin[1]), values != 0)


FORM = Form(
    name="supervisely",
    title="Supervisely",
    find=_find,
    files=lambda source: [*filter(None, [_meta_file(source)]), *_files(source)],
    read=_read,
    class_names=_class_names,
)
