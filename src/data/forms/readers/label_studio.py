"""Label Studio's JSON and JSON-MIN exports (https://labelstud.io/guide/export, .../tags/polygonlabels).

    [{"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-cat.jpg"}, "annotations": [{"result": [
        {"type": "polygonlabels", "original_width": 500, "original_height": 375, "image_rotation": 0,
         "value": {"points": [[x, y], ...], "polygonlabels": ["cat"]}}]}]}]

Coordinates are percent of the picture's width and height. Read are polygons, rectangles and ellipses, which
may be rotated (clockwise, in degrees: a rectangle around its corner x, y, an ellipse around its centre x, y),
and brushes (RLE). Each region is an object, one with several labels an object for each. Of several
annotations of a task the one that is marked as ground truth is read, or else the newest. Predictions are not.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from ....errors import DataError
from ...findings import Findings, short
from ...images.decode import picture_size
from ..embedded import embedded_picture
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import files_below, head, place_of, read_json
from ..listing import Listing
from ..outlines import are_numbers, ellipse, is_number, rotated
from ..picture_finder import PictureFinder
from .parts.label_studio_rle import brush_mask
from .parts.label_studio_tasks import Task, label_texts, read_tasks

_LABELS = re.compile(r'"(rectangle|polygon|ellipse|brush|keypoint|)labels"')
_GEOMETRY = ("points", "rle", "radiusX", "width")


def _find(listing: Listing) -> Sequence[Path]:
    return [path for path in listing.first_files((".json",)) if _is_export(head(path))]


def _is_export(text):
    start = text.lstrip()[:1]
    has_regions = _LABELS.search(text) is not None
    if start == "[":
        return has_regions or '"completed_by"' in text or '"annotation_id"' in text
    # a file of a target storage
    return start == "{" and '"task"' in text and '"result"' in text and has_regions


def _files(source: FormSource) -> List[Path]:
    """The JSON files that are exports, and those that are cut off too early to tell."""
    return [path for path in files_below(source.root, (".json",)) if _may_be_export(path, source.root)]


def _may_be_export(path, root):
    text = head(path)
    is_whole = text.rstrip().endswith(("]", "}"))
    return path == root or _is_export(text) or (not is_whole and text.lstrip()[:1] in ("", "["))


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    finder = PictureFinder(source.root, source.pictures, findings)
    for path in _files(source):
        place = place_of(path, source.root)
        content = read_json(path, place, findings)
        if content is not None:
            for task in read_tasks(content, place, findings):
                yield _picture(task, path.parent, source, finder, findings)


def _picture(task: Task, beside: Path, source, finder, findings) -> LabelledPicture:
    if task.embedded:
        path = embedded_picture(task.embedded, source.embedded, task.place, findings)
    elif task.names:
        path = finder.first_of(task.names, beside) or finder.find(task.names[-1], beside, task.place)
    else:
        path = ""
        findings.add("label_picture_missing", task.place, detail="its data names no picture")
    size = next(filter(None, map(_written_size, task.results)), None)
    if size is None and path and task.results:
        try:
            height, width = picture_size(path)
            size = (width, height)
        except DataError:
            # its finding follows where the size is read again; without it there are no objects
            return LabelledPicture(path, None, [], task.place)
    labelled = {
        str(item.get("id")) for item in task.results if isinstance(item, dict) and _labels(_value(item))
    }
    objects: List[LabelledObject] = []
    for index, result in enumerate(task.results):
        objects += _objects(result, f"result[{index}]", size, labelled, task.place, findings)
    return LabelledPicture(path, size, objects, task.place)


def _written_size(result) -> Optional[Tuple[int, int]]:
    """(width, height) of the labelled picture; None where a region does not say."""
    if not isinstance(result, dict):
        return None
    width = result.get("original_width")
    height = result.get("original_height")
    if not (is_number(width) and is_number(height) and width >= 1 and height >= 1):
        return None
    return (int(width), int(height)) if width * height <= 2**28 else None


def _value(result: dict) -> dict:
    """The geometry and labels of a region; those of JSON-MIN are not under `value`."""
    value = result.get("value", result)
    return value if isinstance(value, dict) else {}


def _labels(value: dict) -> List[str]:
    return [text for key in value if key.endswith("labels") for text in label_texts(value[key])]


def _objects(result: Any, where: str, size, labelled, place, findings) -> List[LabelledObject]:
    """The objects of a region: one for each label; none for what is no region, or after a finding."""
    if not isinstance(result, dict):
        findings.add("label_shape", f"{place}: {where}", detail=f"a region expected: {short(result)}")
        return []
    value = _value(result)
    labels = _labels(value)
    geometry = next((key for key in _GEOMETRY if key in value), None)
    if not labels:
        # choices, texts and relations are none; a shape may have its label in another result of its id
        if geometry is not None and str(result.get("id")) not in labelled:
            findings.add("label_shape", f"{place}: {where}", detail="a region without a label")
        return []
    if "keypointlabels" in value:
        findings.add("label_without_area", f"{place}: {where}", detail="keypoint")
        return []
    rotation = result.get("image_rotation", 0)
    shape = None
    if rotation in (0, None) and size is not None:
        shape = _shape(value, geometry, *size)
    if shape is None:
        detail = f"{geometry or 'no shape that is read'}: {short(value.get(geometry))}"
        if rotation not in (0, None):
            detail = f"a picture that was rotated by {short(rotation)} degrees; labels on it are not read"
        findings.add("label_shape", f"{place}: {where}", detail=detail)
        return []
    outline, box = shape
    return [LabelledObject(label, box, outline, where, is_box=box is not None) for label in labels]


def _shape(value: dict, geometry: Optional[str], width: int, height: int):
    """(the polygons or PartMask, the box of a rectangle or None); None for what cannot be used."""
    if geometry == "points":
        return _polygon(value["points"], width, height)
    if geometry == "rle":
        try:
            mask = brush_mask(value["rle"], width, height)
        except (ValueError, TypeError):
            return None
        return None if mask is None else (mask, None)
    sides = ("x", "y", "radiusX", "radiusY") if geometry == "radiusX" else ("x", "y", "width", "height")
    numbers = [value.get(side) for side in sides]
    angle = value.get("rotation") or 0
    if geometry is None or not are_numbers([*numbers, angle]):
        return None
    x = numbers[0] * width / 100
    y = numbers[1] * height / 100
    across = numbers[2] * width / 100
    down = numbers[3] * height / 100
    turn = math.radians(angle)
    if geometry == "radiusX":
        return [ellipse(x, y, across, down, turn)], None
    box = (x, y, x + across, y + down)
    outline = [x, y, box[2], y, box[2], box[3], x, box[3]]
    return ([outline], box) if angle == 0 else ([rotated(outline, x, y, turn)], None)


def _polygon(points: Any, width: int, height: int):
    is_valid = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and are_numbers(point) for point in points
    )
    if not is_valid or len(points) < 3:
        return None
    return [[part for x, y in points for part in (x * width / 100, y * height / 100)]], None


FORM = Form(name="label_studio", title="Label Studio", find=_find, files=_files, read=_read)
