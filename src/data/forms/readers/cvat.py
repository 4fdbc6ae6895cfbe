"""CVAT's XML 1.1 for images (https://docs.cvat.ai/docs/other/xml_format/).

    <annotations><version>1.1</version><meta>... <labels><label><name>car</name>...</meta>
      <image id="0" name="a/1.jpg" subset="Train" width="1600" height="1200">
        <box label="plate" xtl="7" ytl="8" xbr="9" ybr="9" rotation="0" group_id="3"> <attribute .../> </box>
        <polygon label="car" points="x,y;x,y;..."/>
        <ellipse label="car" cx="7" cy="8" rx="3" ry="2" rotation="30"/>
        <mask label="car" rle="3, 5, ..." left="707" top="888" width="13" height="15"/>

A rotation is in degrees, clockwise around the shape's middle. The numbers of a mask's rle are run lengths row
by row within its rectangle, zeros first. Shapes of a picture with one label and one group_id are parts of one
object, as in CVAT's own COCO export, and those with the attribute is_crowd are crowds. Subsets are splits.
Points, polylines, skeletons and cuboids are left out; z_order and occluded change nothing.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Union

import numpy as np

from ...annotations.json_values import is_crowd
from ...annotations.mending.picture_names import leads_out
from ...findings import Findings, short
from ..grouped_parts import Part, grouped_objects
from ..items import Form, FormSource, LabelledPicture, PartMask
from ..label_files import files_below, head, place_of
from ..listing import Listing
from ..outlines import are_numbers, ellipse, rectangle, rotated
from ..picture_finder import PictureFinder
from ..xml_files import PlacedElement, xml_elements

_WITHOUT_AREA = ("points", "polyline", "skeleton")
_NO_CLASS = ("tag", "cuboid", *_WITHOUT_AREA)  # types of labels that no object here can have
_SUBSET = re.compile(rb"<image\s[^>]*\bsubset=[\"']([^\"']*)[\"']")
_NO_SPLIT = ("", "default")  # CVAT's name of the subset of pictures without one
_MOST_MASK_PIXELS = 2**26
Outline = Union[List[float], PartMask]


def _find(listing: Listing) -> Sequence[Path]:
    return [path for path in listing.first_files((".xml",)) if _is_cvat(head(path))]


def _is_cvat(text):
    return "<annotations" in text and any(tag in text for tag in ("<image ", "<track ", "<meta>"))


def _files(source: FormSource) -> List[Path]:
    if source.root.is_file():
        return [source.root]
    return [path for path in files_below(source.root, (".xml",)) if _is_cvat(head(path))]


def _splits(listing: Listing) -> List[str]:
    found: Dict[str, None] = {}
    for path in _find(listing):
        try:
            data = path.read_bytes()
        except OSError:  # reading it says so
            continue
        found.update(dict.fromkeys(name.decode("utf-8", "replace") for name in _SUBSET.findall(data)))
    return [name for name in found if name not in _NO_SPLIT]


def _class_names(source: FormSource, findings: Findings) -> Optional[List[str]]:
    """The labels of the files' lists, in their order; None where a file has no list."""
    names: Dict[str, None] = {}
    for path in _files(source):
        quiet = Findings("", collect=True)  # reading the pictures says what is wrong with the file
        meta = next(xml_elements(path, "", ("meta", "image"), quiet), None)
        labels = [] if meta is None else meta.findall(".//labels/label")
        listed = [
            (label.findtext("name") or "").strip()
            for label in labels
            # a skeleton's points have labels too, with the skeleton as their parent
            if label.find("parent") is None and label.findtext("type") not in _NO_CLASS
        ]
        if not any(listed):
            return None
        names.update(dict.fromkeys(name for name in listed if name))
    return list(names) or None


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    finder = PictureFinder(source.root, source.pictures, findings)
    for path in _files(source):
        place = place_of(path, source.root)
        for element in xml_elements(path, place, ("image", "track"), findings):
            if element.tag == "track":
                detail = "it is of a video; export the task as 'CVAT for images 1.1'"
                findings.add("label_file_form", f"{place}: line {element.line}", detail=detail)
                break
            if source.split is None or element.get("subset") == source.split:
                yield from _picture(element, path, place, source, finder, findings)


def _picture(image, path, place, source, finder, findings):
    """The picture of an element `image`; none, with a finding, of one without a name."""
    name = image.get("name")
    if not name:
        findings.add("label_file_form", f"{place}: line {image.line}", detail="an image without a name")
        return
    sides = [_whole(image.get("width")), _whole(image.get("height"))]
    found = _path(name, image.get("subset"), path, f"{place}: line {image.line}", source, finder)
    yield LabelledPicture(
        found, tuple(sides), grouped_objects(_parts(image, place, findings)), f"{place}: {name}"
    )


def _whole(text: Optional[str]) -> Optional[int]:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _path(name, subset, path, place, source, finder):
    """A picture's path: as CVAT's archives have it, or wherever its name is found."""
    images = path.parent / "images"
    folders = [images / subset, images] if subset and not leads_out(subset) else [images]
    for folder in (*folders, images / "default"):
        # os.path: a name of any length is a question that is answered there
        if source.pictures is None and not leads_out(name) and os.path.isfile(folder / name):
            return str(folder / name)
    return finder.find(name, images if images.is_dir() else path.parent, place)


def _parts(image: PlacedElement, place: str, findings: Findings) -> Iterator[Part]:
    """The shapes of a picture that are objects or parts of them."""
    for shape in image:
        where = f"line {shape.line}"
        if shape.tag == "tag":
            continue  # a label of the whole picture
        if shape.tag in _WITHOUT_AREA:
            findings.add("label_without_area", f"{place}: {where}", detail=shape.tag)
            continue
        label = (shape.get("label") or "").strip()
        outline = _OUTLINES[shape.tag](shape) if label and shape.tag in _OUTLINES else None
        if outline is None:
            detail = f"{shape.tag} {short(dict(shape.attrib))}" if label else f"{shape.tag} without a label"
            findings.add("label_shape", f"{place}: {where}", detail=detail)
            continue
        group = shape.get("group_id", "0")
        is_box = shape.tag == "box" and not _angle(shape)
        yield Part(label, None if group in ("", "0") else group, where, outline, is_box, _is_crowd(shape))


def _is_crowd(shape):
    return any(
        attribute.get("name") == "is_crowd" and is_crowd(attribute.text or "")
        for attribute in shape.findall("attribute")
    )


def _numbers(shape: PlacedElement, *names: str) -> Optional[List[float]]:
    """The values of attributes; None unless all are finite numbers."""
    try:
        values = [float(shape.get(name, "")) for name in names]
    except ValueError:
        return None
    return values if are_numbers(values) else None


def _angle(shape: PlacedElement) -> Optional[float]:
    """A shape's rotation in radians; None for what is no number."""
    angle = _numbers(shape, "rotation") if shape.get("rotation") else [0.0]
    return None if angle is None else math.radians(angle[0] % 360)


def _box(shape: PlacedElement) -> Optional[Outline]:
    corners = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    angle = _angle(shape)
    if corners is None or angle is None:
        return None
    outline = rectangle(*corners)
    return rotated(outline, (corners[0] + corners[2]) / 2, (corners[1] + corners[3]) / 2, angle)


def _polygon(shape: PlacedElement) -> Optional[Outline]:
    try:
        pairs = [tuple(map(float, pair.split(","))) for pair in shape.get("points", "").split(";")]
    except ValueError:
        return None
    points = [value for pair in pairs for value in pair]
    return points if are_numbers(points) and all(len(pair) == 2 for pair in pairs) else None


def _ellipse(shape: PlacedElement) -> Optional[Outline]:
    numbers = _numbers(shape, "cx", "cy", "rx", "ry")
    angle = _angle(shape)
    return None if numbers is None or angle is None else ellipse(*numbers, angle)


def _mask(shape: PlacedElement) -> Optional[Outline]:
    numbers = _numbers(shape, "left", "top", "width", "height")
    if numbers is None:
        return None
    left, top, width, height = map(round, numbers)
    try:
        runs = np.array(shape.get("rle", "").split(","), np.int64)
    except (ValueError, OverflowError):
        return None
    if width < 1 or height < 1 or width * height > _MOST_MASK_PIXELS or len(runs) > 2 * width * height + 1:
        return None
    if (runs < 0).any() or (runs > width * height).any() or runs.sum() != width * height:
        return None
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return PartMask(left, top, pixels.reshape(height, width))


_OUTLINES: Dict[str, Callable[[PlacedElement], Optional[Outline]]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}
FORM = Form(
    name="cvat",
    title="CVAT XML",
    find=_find,
    files=_files,
    read=_read,
    splits=_splits,
    class_names=_class_names,
)
