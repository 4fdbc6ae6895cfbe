"""The VGG Image Annotator's files (https://www.robots.ox.ac.uk/~vgg/software/via/).

    VIA 1, 2  {"a.jpg1234": {"filename": "a.jpg", "size": 1234, "regions": [
                  {"shape_attributes": {"name": "polygon", "all_points_x": [...], "all_points_y": [...]},
                   "region_attributes": {"class": "cat"}}]}}
              or that under `_via_img_metadata` of a project; or CSV with a region a row
    VIA 3     {"file": {"1": {"fname": ...}}, "view": {"1": {"fid_list": [1]}}, "attribute": ...,
               "metadata": {"m": {"vid": "1", "xy": [2, x, y, width, height], "av": {"1": "cat"}}}}; or CSV

Polygons, polylines, rectangles, circles and ellipses are objects; points and lines have no area. The class is
the region's attribute: the only one, or one called class, label, category, name, type or object. Where no
region has an attribute, all are of the class `object`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence

from ...findings import Findings, short
from ..embedded import embedded_picture
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import files_below, head, place_of, read_json, read_text
from ..listing import Listing
from ..picture_finder import PictureFinder
from .parts.via_files import (
    WITHOUT_AREA,
    ViaPicture,
    ViaRegion,
    is_csv,
    is_via,
    read_csv_pictures,
    read_json_pictures,
)

_SUFFIXES = (".json", ".csv")
_CLASS_WORDS = ("class", "label", "category", "name", "type", "object")
_ONLY_CLASS = "object"


def _find(listing: Listing) -> Sequence[Path]:
    return [path for path in listing.first_files(_SUFFIXES) if is_via(head(path))]


def _files(source: FormSource) -> List[Path]:
    """VIA's files, and JSON files that are cut off too early to tell."""
    return [path for path in files_below(source.root, _SUFFIXES) if _may_be_via(path, source.root)]


def _may_be_via(path, root):
    text = head(path)
    is_cut = path.suffix.lower() == ".json" and not text.rstrip().endswith(("]", "}"))
    is_other = '"annotations"' in text or '"shapes"' in text
    return path == root or is_via(text) or (is_cut and not is_other)


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    finder = PictureFinder(source.root, source.pictures, findings)
    for path in _files(source):
        place = place_of(path, source.root)
        pictures = _pictures(path, place, findings)
        word = _class_word(pictures, place, findings)
        for picture in pictures:
            if picture.names:
                yield _picture(picture, word, path.parent, source, finder, findings)


def _pictures(path: Path, place: str, findings: Findings) -> List[ViaPicture]:
    if path.suffix.lower() == ".csv":
        text = read_text(path, place, findings)
        if text is not None and not is_csv(text):
            findings.add("label_file_form", place, detail="the header of VIA's CSV expected")
        return [] if text is None or not is_csv(text) else list(read_csv_pictures(text, place, findings))
    content = read_json(path, place, findings)
    return [] if content is None else read_json_pictures(content, place, findings)


def _class_word(pictures: Sequence[ViaPicture], place: str, findings: Findings) -> Optional[str]:
    """The attribute that is the class; None where no region has any, or after a finding."""
    counts = Counter(word for picture in pictures for region in picture.regions for word in region.attributes)
    if len(counts) <= 1:
        return next(iter(counts), None)
    by_word = {word.strip().lower(): word for word in reversed(counts)}
    known = [by_word[word] for word in _CLASS_WORDS if word in by_word]
    if not known:
        listed = ", ".join(short(word) for word in list(counts)[:8])
        detail = f"which attribute is the class is not clear: {listed}; call it `class`"
        findings.add("label_file_form", place, detail=detail)
        return next(iter(counts))
    return known[0]


def _picture(picture: ViaPicture, word, beside, source, finder, findings) -> LabelledPicture:
    path = finder.first_of(picture.names, beside)
    if not path and picture.embedded:
        path = embedded_picture(picture.embedded, source.embedded, picture.place, findings)
    elif not path:
        path = finder.find(picture.names[-1], beside, picture.place)
    objects: List[LabelledObject] = []
    for region in picture.regions:
        objects += _objects(region, word, picture.place, findings)
    return LabelledPicture(path, None, objects, picture.place)


def _objects(region: ViaRegion, word: Optional[str], place: str, findings: Findings) -> List[LabelledObject]:
    """The objects of a region: one for each of its classes; none after a finding."""
    where = f"{place}: {region.place}"
    if region.outline == WITHOUT_AREA:
        findings.add("label_without_area", where)
        return []
    if region.outline is None:
        findings.add(
            "label_shape", where, detail="a polygon, rect, circle or ellipse with its numbers expected"
        )
        return []
    names = [_ONLY_CLASS] if word is None else _class_names(region.attributes.get(word))
    if not names:
        value = short(region.attributes.get(word))
        findings.add("label_shape", where, detail=f"no class in its attribute {short(word)}: {value}")
    outline = region.outline
    box = (outline[0], outline[1], outline[4], outline[5]) if region.is_box else None
    return [LabelledObject(name, box, [outline], region.place, is_box=region.is_box) for name in names]


def _class_names(value: Any) -> List[str]:
    """The classes of an attribute's value: text, a number, or {class: true} of a checkbox."""
    if isinstance(value, dict):
        return [name for name, is_set in value.items() if is_set is True and name.strip()]
    if type(value) is int:
        value = str(value)
    return [value] if isinstance(value, str) and value.strip() else []


FORM = Form(name="via", title="VGG Image Annotator", find=_find, files=_files, read=_read)
