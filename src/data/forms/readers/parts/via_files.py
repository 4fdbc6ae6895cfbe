"""The files of the VGG Image Annotator as pictures with regions: VIA 1 and 2 (JSON, project, CSV), VIA 3."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ....annotations.mending.picture_names import name_from_url
from ....annotations.mending.via_shapes import via_polygons
from ....findings import Findings, short
from ...outlines import are_numbers, ellipse, rectangle

WITHOUT_AREA = "without area"
_CSV_HEADER = re.compile(r"#?filename,(file_)?size,file_attributes,")
_VIA3_HEADER = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata"
_IMAGE = 2  # VIA 3's file type; others are videos and sounds
_INLINE = 4  # VIA 3's place of a file that is within the project


class ViaRegion(NamedTuple):
    """A region.

    Attributes:
        outline: its polygon; WITHOUT_AREA; or None for what cannot be used.
        is_box: whether it is a rectangle.
        attributes: {name: value} of the region.
        place: for findings.
    """

    outline: Any
    is_box: bool
    attributes: Dict[str, Any]
    place: str


class ViaPicture(NamedTuple):
    """A picture: the names under which it may be here, or its base64 text, and its regions."""

    names: List[str]
    embedded: str
    regions: List[ViaRegion]
    place: str


def is_via(text: str) -> bool:
    """Whether a file begins as one of VIA's."""
    if '"_via_img_metadata"' in text or ('"vid_list"' in text and '"project"' in text):
        return True
    regions = '"regions"' in text and '"filename"' in text
    return (regions and ('"file_attributes"' in text or '"shape_attributes"' in text)) or is_csv(text)


def is_csv(text: str) -> bool:
    """Whether a file begins as a CSV export."""
    return _CSV_HEADER.match(text) is not None or _VIA3_HEADER in text


def read_json_pictures(content: Any, place: str, findings: Findings) -> List[ViaPicture]:
    """The pictures of a JSON export or of a project."""
    if isinstance(content, dict) and isinstance(content.get("view"), dict) and "metadata" in content:
        return _via3(content, place, findings)
    folder = ""
    if isinstance(content, dict) and "_via_img_metadata" in content:
        folder = _default_folder(content.get("_via_settings"))
        content = content["_via_img_metadata"]
    if not isinstance(content, dict):
        findings.add("label_file_form", place, detail="an object with a picture for each key expected")
        return []
    return [_via2(key, item, folder, place, findings) for key, item in content.items()]


def _default_folder(settings):
    """The folder that a project looks for its pictures in."""
    core = settings.get("core") if isinstance(settings, dict) else None
    folder = core.get("default_filepath") if isinstance(core, dict) else None
    return folder if isinstance(folder, str) else ""


def _via2(key, item, folder, place, findings):
    where = f"{place}: {short(key)}"
    name = item.get("filename") if isinstance(item, dict) else None
    regions = item.get("regions", []) if isinstance(item, dict) else None
    # VIA 1 numbers the regions
    if isinstance(regions, dict):
        regions = list(regions.values())
    if not isinstance(name, str) or not name or not isinstance(regions, list):
        findings.add("label_file_form", where, detail="a picture with a filename and regions expected")
        return ViaPicture([], "", [], where)
    data = item.get("base64_img_data")
    embedded = data.partition(",")[2] or data if isinstance(data, str) and not _is_url(data) else ""
    names = _names(name) if not folder else [*_names(f"{folder}/{name}"), *_names(name)]
    read = [_region2(region, f"regions[{index}]") for index, region in enumerate(regions)]
    return ViaPicture(names, embedded, read, where)


def _is_url(text):
    return text.startswith(("http:", "https:", "file:"))


def _names(name):
    """The names under which a picture may be here."""
    if _is_url(name):
        return [name_from_url(name) or name]
    return [name]


def _region2(region, where):
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    return _region(shape, attributes if isinstance(attributes, dict) else {}, where)


def _region(shape, attributes, where):
    kind = shape.get("name") if isinstance(shape, dict) else None
    if kind == "point":
        return ViaRegion(WITHOUT_AREA, False, attributes, where)
    polygons = via_polygons(shape) if isinstance(shape, dict) and "shape_attributes" not in shape else None
    outline = polygons[0] if polygons and len(polygons) == 1 else None
    return ViaRegion(outline, kind == "rect", attributes, where)


def _via3(content: Dict[str, Any], place: str, findings: Findings) -> List[ViaPicture]:
    """The pictures of a VIA 3 project, one for each view."""
    files = _dict(content.get("file"))
    names = _attribute_names(_dict(content.get("attribute")))
    by_view: Dict[str, List[ViaRegion]] = {}
    for key, item in _dict(content.get("metadata")).items():
        where = f"metadata[{short(key)}]"
        if not isinstance(item, dict) or str(item.get("vid")) not in content["view"]:
            findings.add("label_shape", f"{place}: {where}", detail="an object with a vid of a view expected")
        elif item.get("xy"):
            by_view.setdefault(str(item["vid"]), []).append(
                _region3(item["xy"], _attributes(item.get("av"), names), where)
            )
    pictures = []
    for view_id, view in content["view"].items():
        where = f"{place}: view[{short(view_id)}]"
        ids = view.get("fid_list") if isinstance(view, dict) else None
        file = files.get(str(ids[0])) if isinstance(ids, list) and len(ids) == 1 else None
        name = file.get("fname") if isinstance(file, dict) else None
        if not isinstance(name, str) or not name or file.get("type", _IMAGE) != _IMAGE:
            findings.add("label_file_form", where, detail="a view of one picture with a fname expected")
            continue
        source = file.get("src")
        source = source if isinstance(source, str) else ""
        embedded = source.partition(",")[2] if file.get("loc") == _INLINE else ""
        written = [source] if source and not embedded else []
        found = [one for text in (*written, name) for one in _names(text)]
        pictures.append(ViaPicture(list(dict.fromkeys(found)), embedded, by_view.get(view_id, []), where))
    return pictures


def _dict(value):
    return value if isinstance(value, dict) else {}


def _attribute_names(written: Dict[str, Any]) -> Dict[str, Tuple[str, Dict[str, Any]]]:
    """{attribute id: (its name, its options by id)}."""
    return {
        key: (str(item.get("aname", key)), _dict(item.get("options")))
        for key, item in written.items()
        if isinstance(item, dict)
    }


def _attributes(written, names) -> Dict[str, Any]:
    """{name: value} of a region; a value that is an option's id becomes its text."""
    found = {}
    for key, value in _dict(written).items():
        name, options = names.get(key, (key, {}))
        found[name] = options.get(value, value) if isinstance(value, str) else value
    return found


def _region3(xy, attributes, where):
    """A region of [shape, numbers ...]: 2 rectangle, 3 circle, 4 ellipse, 6 polyline, 7 polygon."""
    if not isinstance(xy, list) or not are_numbers(xy):
        return ViaRegion(None, False, attributes, where)
    kind, *numbers = xy
    outline: Any = None
    if kind in (1, 5):
        outline = WITHOUT_AREA
    elif kind == 2 and len(numbers) == 4:
        x, y, width, height = numbers
        outline = rectangle(x, y, x + width, y + height)
    elif kind == 3 and len(numbers) == 3:
        outline = ellipse(numbers[0], numbers[1], numbers[2], numbers[2])
    elif kind == 4 and len(numbers) == 4:
        outline = ellipse(*numbers)
    elif kind in (6, 7) and len(numbers) >= 6 and len(numbers) % 2 == 0:
        outline = list(map(float, numbers))
    elif kind == 8 and len(numbers) == 8:
        # four points that a box touches
        outline = rectangle(min(numbers[0::2]), min(numbers[1::2]), max(numbers[0::2]), max(numbers[1::2]))
    return ViaRegion(outline, kind in (2, 8), attributes, where)


def read_csv_pictures(text: str, place: str, findings: Findings) -> Iterator[ViaPicture]:
    """The pictures of a CSV export; its rows are regions."""
    is_third = _VIA3_HEADER in text
    names = _csv_attributes(text) if is_third else {}
    csv.field_size_limit(2**30)  # a polygon of many points is longer than the module's default
    pictures: Dict[str, List[ViaRegion]] = {}
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            where = f"line {reader.line_num}"
            if not row or row[0].startswith("#") or row[0] == "filename":
                continue
            item = _row3(row, names, where) if is_third else _row2(row, where)
            if item is None:
                detail = f"{6 if is_third else 7} columns with JSON in them expected: {short(row)}"
                findings.add("label_shape", f"{place}: {where}", detail=detail)
                continue
            name, region = item
            regions = pictures.setdefault(name, [])
            regions += [] if region is None else [region]
    except csv.Error as error:
        findings.add("label_file_syntax", place, detail=f"not CSV: {error} in line {reader.line_num}")
    for name, regions in pictures.items():
        yield ViaPicture(_names(name), "", regions, f"{place}: {short(name)}")


def _json(text) -> Optional[Any]:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _csv_attributes(text):
    """The attributes that a VIA 3 export describes in a comment."""
    line = re.search(r"^# ATTRIBUTE = (.*)$", text, re.MULTILINE)
    return _attribute_names(_dict(_json(line.group(1)) if line else None))


def _row2(row, where):
    """(the picture's name, its region; None for one without regions); None for another row."""
    if len(row) != 7 or not row[0]:
        return None
    shape = _json(row[5])
    attributes = _json(row[6])
    if not isinstance(shape, dict):
        return None
    return row[0], _region(shape, _dict(attributes), where) if shape else None


def _row3(row, names, where):
    files = _json(row[1]) if len(row) == 6 else None
    xy = _json(row[4]) if len(row) == 6 else None
    is_valid = isinstance(files, list) and len(files) == 1 and isinstance(files[0], str) and files[0]
    if not is_valid or not isinstance(xy, list):
        return None
    return files[0], _region3(xy, _attributes(_json(row[5]), names), where) if xy else None
