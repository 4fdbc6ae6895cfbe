"""Pascal VOC: an XML file of boxes for each picture, or PNG files of masks (VOC2012's development kit).

    Annotations/a.xml           <annotation> <filename> <size> <object> <name> <difficult> <bndbox> <xmin> ...
    JPEGImages/a.jpg
    ImageSets/Main/train.txt            the pictures of a split with boxes, a name a line
    ImageSets/Segmentation/train.txt    those with masks, which are preferred
    SegmentationObject/a.png    the pixels of the n-th object have the value n, 0 is background, 255 void
    SegmentationClass/a.png     the pixels of a class have its index

XML files beside their pictures (labelImg, Roboflow) are read too. The kit counts pixels from 1, and a box
includes its last pixel: xmin 1 and xmax 10 are the pixels 1 to 10, x from 0 to 10. Files of tools that count
from 0 look the same: their boxes become one pixel wider to the left and to the top. Difficult objects, which
VOC's evaluation ignores, are crowds. Roboflow writes an object's <polygon> beside its box, from 0: its mask.
"""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from ...findings import Findings, short
from ..id_images import load_ahead
from ..items import Form, FormSource, LabelledObject, LabelledPicture
from ..label_files import first_files, head, place_of
from ..listing import Listing
from ..outlines import rectangle
from ..picture_finder import PictureFinder
from ..xml_files import read_xml
from .parts.voc_layout import VocLayout, VocPicture, voc_bases
from .parts.voc_masks import ReadMasks, class_picture, load_masks, mask_objects, read_classes

_ANNOTATION = re.compile(r"<annotation[\s>]")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def _find(listing: Listing) -> Sequence[Path]:
    found = [path for path in listing.first_files((".xml",)) if _is_voc(head(path))]
    if not found and listing.root.is_dir():
        for base in voc_bases(listing.root):
            found += first_files(base / "SegmentationObject", (".png",))
    return found


def _is_voc(text):
    return _ANNOTATION.search(text) is not None and (
        "<object" in text or "<size" in text or "<filename" in text
    )


def _splits(listing: Listing) -> List[str]:
    return VocLayout(FormSource(listing.root, None, None, Path())).splits()


def _files(source: FormSource) -> List[Path]:
    layout = VocLayout(source)
    path = layout.list_file()
    files = [] if path is None else [path]
    for entry in layout.entries(Findings("", collect=True)):
        files += [one for one in (entry.xml, entry.masks) if one is not None]
        if entry.masks is not None:
            files.append(class_picture(entry.masks))
    return files


def _read(source: FormSource, findings: Findings) -> Iterator[LabelledPicture]:
    layout = VocLayout(source)
    finder = PictureFinder(source.root, layout.pictures, findings)
    classes = read_classes(layout.base, findings) if layout.has_masks else None
    bases = voc_bases(layout.root)
    if len(bases) > 1:
        listed = ", ".join(place_of(base, layout.root) for base in bases[:5])
        way = findings.options.train_labels.format("FOLDER")
        findings.fail("file_form", "", f"several data sets: {listed}; {way} for one of them")
    used = set()
    with closing(_loaded(layout, findings)) as loaded:
        for entry, masks in loaded:
            picture = _labelled(entry, masks, classes, layout, finder, findings)
            if picture is not None:
                used.add(os.path.abspath(picture.path))
                yield picture
    for other in layout.other_pictures(used):
        yield LabelledPicture(str(other), None, [], place_of(other, layout.root))


def _loaded(layout: VocLayout, findings: Findings) -> Iterator[Tuple[VocPicture, Optional[ReadMasks]]]:
    """The pictures of the split, each with what its PNGs hold."""
    entries = layout.entries(findings)
    if layout.reads_masks():
        return load_ahead(lambda entry: (entry, load_masks(entry.masks)), entries)
    return ((entry, None) for entry in entries)


def _labelled(
    entry: VocPicture, masks: Optional[ReadMasks], classes, layout: VocLayout, finder, findings: Findings
) -> Optional[LabelledPicture]:
    """A picture with its objects; None, with a finding, where its XML file cannot be read."""
    boxed: List[Optional[LabelledObject]] = []
    size = None
    file_name = None
    place = entry.place
    if entry.xml is not None:
        place = place_of(entry.xml, layout.root)
        annotation = read_xml(entry.xml, place, findings)
        if annotation is None:
            return None
        if annotation.tag != "annotation":
            detail = f"<annotation> expected, not <{annotation.tag[:40]}>"
            findings.add("label_file_form", place, detail=detail)
            return None
        boxed = _boxed(annotation, place, findings if masks is None else Findings("", collect=True))
        size = _size(annotation)
        file_name = _text(annotation, "filename")
    objects = [one for one in boxed if one is not None]
    if masks is not None:
        place = place_of(entry.masks, layout.root)
        objects = mask_objects(masks, entry.masks, classes, _placed(boxed), layout.root, findings)
        size = masks.size
    return LabelledPicture(_picture(entry, file_name, layout, finder, place), size, objects, place)


def _placed(boxed):
    """The objects of an XML, with one that stands for each that was left out: they are counted."""
    return [one or LabelledObject("background", None, None, "") for one in boxed]


def _picture(entry: VocPicture, file_name: Optional[str], layout: VocLayout, finder, place: str) -> str:
    """The path of the picture: called as the XML file, or else as the XML says."""
    name = Path(entry.name)
    folder = layout.pictures or (entry.xml.parent if entry.xml else layout.base)
    if layout.pictures is not None:
        folder = folder / name.parent
    path = finder.with_stem(name.name, folder)
    if path:
        return path
    beside = entry.xml.parent if entry.xml else layout.base
    return finder.find(file_name, beside, place) if file_name else finder.find_stem(name.name, folder, place)


def _text(element, tag):
    """The text of an element's child; None without one."""
    child = element.find(tag)
    text = None if child is None else child.text
    return None if text is None else text.strip()


def _number(element, tag) -> Optional[float]:
    """The number that a child has; None for anything else."""
    try:
        value = float(_text(element, tag) or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _size(annotation) -> Optional[Tuple[int, int]]:
    """(width, height); None where the file has none that can be used."""
    size = annotation.find("size")
    if size is None:
        return None
    width = _number(size, "width") or 0
    height = _number(size, "height") or 0
    return (int(width), int(height)) if width >= 1 and height >= 1 else None


def _boxed(annotation, place: str, findings: Findings) -> List[Optional[LabelledObject]]:
    """The objects with their boxes; None for one that is left out, with a finding."""
    return [
        _object(item, f"object {number}", place, findings)
        for number, item in enumerate(annotation.findall("object"), 1)
    ]


def _object(item, where, place, findings):
    name = _text(item, "name")
    box = item.find("bndbox")
    sides = [None if box is None else _number(box, side) for side in _SIDES]
    if not name or None in sides:
        written = None if box is None else [_text(box, side) for side in _SIDES]
        detail = f"a name and a bndbox of four numbers expected: {short(name)}, {short(written)}"
        findings.add("label_shape", f"{place}: {where}", detail=detail)
        return None
    left = max(sides[0] - 1, min(sides[0], 0.0))
    top = max(sides[1] - 1, min(sides[1], 0.0))
    corners = (left, top, sides[2], sides[3])
    polygon = _polygon(item.find("polygon"))
    if polygon is not None and (len(polygon) < 6 or None in polygon):
        findings.add("label_shape", f"{place}: {where}", detail="a polygon of x1, y1, x2, y2, ... expected")
        return None
    crowd = _text(item, "difficult") in ("1", "true", "True")
    if polygon is not None:
        return LabelledObject(name, None, [polygon], where, crowd=crowd)
    return LabelledObject(name, corners, [rectangle(*corners)], where, crowd=crowd, is_box=True)


def _polygon(element) -> Optional[List[Optional[float]]]:
    """The numbers x1, y1, x2, ... of Roboflow's polygon, None for one that is missing; None without any."""
    if element is None or not len(element):
        return None
    return [
        _number(element, f"{axis}{number}") for number in range(1, len(element) // 2 + 1) for axis in "xy"
    ]


FORM = Form(name="voc", title="Pascal VOC", find=_find, files=_files, read=_read, splits=_splits)
