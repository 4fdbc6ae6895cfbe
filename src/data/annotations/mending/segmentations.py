"""Segmentations that are written in another way than COCO's, read as they are meant where that is certain.

COCO has a list of polygons, [[x1, y1, x2, y2, ...], ...], or an RLE dict, {"size": ..., "counts": ...}.
Nothing here depends on the picture or on other objects: the same value is always read in the same way.
"""

from __future__ import annotations

import ast
import json
import warnings
from typing import Any, List, NamedTuple, Optional, Tuple

from .via_shapes import via_polygons

_NUMBER_TYPES = {int, float}  # not bool, which isinstance takes for an int
_BYTES_STARTS = ("b'", 'b"')


class MendedSegmentation(NamedTuple):
    """A segmentation after mending.

    Attributes:
        value: in COCO's form. Where `kinds` is empty, the value as it was written, usable or not.
        kinds: the kinds of findings that say how it was written.
    """

    value: Any
    kinds: Tuple[str, ...]


class _Polygon(NamedTuple):
    """One polygon.

    Attributes:
        numbers: x, y, x, y, ...
        kind: the kind of finding that says how it was written; None for COCO's form.
    """

    numbers: List[float]
    kind: Optional[str]


def is_plain_rle(rle: dict) -> bool:
    """Whether the counts of an RLE dict are written as COCO's tools write them: nothing to mend."""
    counts = rle.get("counts")
    return type(counts) is list or (type(counts) is str and counts[:2] not in _BYTES_STARTS)


def mend_segmentation(written: Any) -> MendedSegmentation:
    """A segmentation in COCO's form, if it is certain how it is meant.

    Read are: one flat list of numbers; points as [x, y], as [[x, y]] or as {"x": x, "y": y}; polygons in one
    list too many; shapes of the VGG Image Annotator; RLE counts that are the printed form of Python's bytes;
    and JSON (or Python's printed form) of any of these, or of COCO's own form, in a text.
    All parts of a segmentation have to be readable; otherwise it is left as it is.
    """
    kinds = []
    value = written
    if type(value) is str:
        value = _parse_text(value)
        if type(value) not in (list, dict):
            return MendedSegmentation(written, ())
        kinds.append("segmentation_text")
    if type(value) is dict and "counts" in value:
        return _mend_rle(written, value, kinds)
    polygons = _read_polygons(value) if type(value) in (list, dict) and value else None
    if polygons is None:
        # a text may hold an empty list, or a list of which some parts are usable
        is_list = type(value) is list
        return MendedSegmentation(value, tuple(kinds)) if is_list else MendedSegmentation(written, ())
    for polygon in polygons:
        if polygon.kind and polygon.kind not in kinds:
            kinds.append(polygon.kind)
    if not kinds:
        return MendedSegmentation(written, ())
    return MendedSegmentation([polygon.numbers for polygon in polygons], tuple(kinds))


def _parse_text(text):
    """The value that a text holds as JSON or as Python prints it; None if it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of odd escapes
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _mend_rle(written, rle, kinds):
    """The MendedSegmentation of an RLE dict; kinds: of what was mended so far."""
    counts = rle["counts"]
    if type(counts) is str and counts[:2] in _BYTES_STARTS:
        # COCO's compressed text has no quotation marks, so this cannot be one
        counts = _parse_text(counts)
        kinds = [*kinds, "rle_bytes_text"]
    if type(counts) is bytes:
        counts = counts.decode("ascii", "replace")
    if type(counts) not in (str, list) or not kinds:
        return MendedSegmentation(written, ())
    return MendedSegmentation({**rle, "counts": counts}, tuple(kinds))


def _read_polygons(value):
    """The _Polygons of a segmentation (a list or a dict); None unless every part can be read."""
    if type(value) is dict:
        return _read_via(value)
    whole = _read_points(value)
    if whole is not None:
        return [whole if whole.kind else whole._replace(kind="segmentation_flat")]
    polygons = []
    for part in value:
        read = _read_part(part)
        if read is None:
            return None
        polygons += read
    return polygons


def _read_part(part):
    """The _Polygons of one item of a segmentation's list; None if it cannot be read."""
    if type(part) is dict:
        return _read_via(part)
    if type(part) is not list:
        return None
    polygon = _read_points(part)
    while polygon is None and len(part) == 1 and type(part[0]) is list:
        part = part[0]
        polygon = _read_points(part)
        if polygon is not None and polygon.kind is None:
            polygon = polygon._replace(kind="segmentation_nested")
    return None if polygon is None else [polygon]


def _read_via(shape):
    polygons = via_polygons(shape)
    return polygons and [_Polygon(numbers, "segmentation_via") for numbers in polygons]


def _read_points(values):
    """The _Polygon of a list of numbers, or of a list of three points and more; else None."""
    if not values:
        return None
    if _NUMBER_TYPES.issuperset(map(type, values)):
        return _Polygon(values, None)
    if len(values) < 3:
        return None
    numbers = []
    kinds = set()
    for value in values:
        kind = "segmentation_pairs"
        if type(value) is dict:
            kind = "segmentation_points"
            value = [value.get("x"), value.get("y")]
        elif type(value) is list and len(value) == 1:
            # as OpenCV's contours have it: each point in a list of its own
            value = value[0]
        if type(value) is not list or len(value) != 2 or not _NUMBER_TYPES.issuperset(map(type, value)):
            return None
        kinds.add(kind)
        numbers += value
    return _Polygon(numbers, kinds.pop()) if len(kinds) == 1 else None
