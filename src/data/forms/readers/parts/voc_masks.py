"""Pascal VOC's masks: the pixels of objects in SegmentationObject, their classes in SegmentationClass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from ....findings import Findings
from ...id_images import Colour, IdImage, colour_code, read_id_image, value_parts
from ...items import LabelledObject
from ...label_files import place_of, read_text

VOID = 255  # pixels of no object: outlines, and what is too difficult
_VOC_CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()


def voc_colour(index: int) -> Colour:
    """The colour of an index in VOC's palette: the bits of the index, spread over the three channels."""
    colour = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            colour[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return colour[0], colour[1], colour[2]


_VOID_VALUES = (VOID, colour_code(voc_colour(VOID)))


class VocClasses(NamedTuple):
    """The classes of SegmentationClass.

    Attributes:
        by_index: {pixel value: name}.
        by_colour: {colour: name}.
        file: that has them; None: VOC's own 20.
    """

    by_index: Dict[int, str]
    by_colour: Dict[Colour, str]
    file: Optional[Path]


def read_classes(base: Path, findings: Findings) -> VocClasses:
    """The classes by labelmap.txt (CVAT, Datumaro), class_names.txt (LabelMe), or VOC's own.

    labelmap.txt has a line `name:red,green,blue:parts:actions` for each class, the background among them;
    class_names.txt a name for each index, with `_background_` at index 0.
    """
    for name, parse in (("labelmap.txt", _label_map), ("class_names.txt", _class_list)):
        path = base / name
        if path.is_file():
            lines = (read_text(path, place_of(path, base), findings) or "").split("\n")
            lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            return VocClasses(*parse(lines), path)
    by_index = dict(enumerate(_VOC_CLASSES, 1))
    return VocClasses(by_index, {voc_colour(index): name for index, name in by_index.items()}, None)


def _label_map(lines: List[str]) -> Tuple[Dict[int, str], Dict[Colour, str]]:
    by_index = {}
    by_colour = {}
    for index, line in enumerate(lines):
        name, *rest = line.rsplit(":", 3)
        by_index[index] = name
        numbers = [text.strip() for text in rest[0].split(",")] if rest else []
        if len(numbers) == 3 and all(text.isdecimal() and len(text) < 4 for text in numbers):
            by_colour[int(numbers[0]), int(numbers[1]), int(numbers[2])] = name
    return by_index, by_colour


def _class_list(lines: List[str]) -> Tuple[Dict[int, str], Dict[Colour, str]]:
    names = [line for line in lines if line != "__ignore__"]
    by_index = {index: name for index, name in enumerate(names) if name != "_background_"}
    return by_index, {voc_colour(index): name for index, name in by_index.items()}


def mask_objects(
    path: Path, classes: VocClasses, boxed: List[LabelledObject], root: Path, findings: Findings
) -> Tuple[List[LabelledObject], Optional[Tuple[int, int]]]:
    """The objects of a picture with their masks.

    Args:
        path: the PNG in SegmentationObject; the one in SegmentationClass has the same name.
        classes: of the data set.
        boxed: the objects of the picture's XML in its order; the n-th has the pixels n.
        root: of the source.
        findings: what cannot be used is added here.

    Returns:
        The objects, and (width, height) of the PNG; None after a finding.
    """
    place = place_of(path, root)
    objects = read_id_image(path, place, findings)
    if objects is None:
        return [], None
    height, width = objects.values.shape
    class_path = class_picture(path)
    class_image = None
    if class_path.is_file():
        class_image = read_id_image(class_path, place_of(class_path, root), findings)
        if class_image is not None and class_image.values.shape != objects.values.shape:
            other_height, other_width = class_image.values.shape
            detail = f"{other_width}x{other_height}, the one of the objects is {width}x{height}"
            findings.add("label_file_form", place_of(class_path, root), detail=detail)
            class_image = None
    ignored = (0, _VOID_VALUES[1] if objects.is_coloured else VOID)
    found = list(_objects(objects, class_image, ignored, classes, boxed, place, findings))
    return found, (width, height)


def class_picture(path: Path) -> Path:
    """The PNG of the classes for one of the objects."""
    parts = os.path.abspath(path).rsplit("/SegmentationObject/", 1)
    return Path("/SegmentationClass/".join(parts))


def _objects(objects, class_image, ignored, classes, boxed, place, findings) -> Iterator[LabelledObject]:
    for number, (value, mask) in enumerate(value_parts(objects.values, ignored), 1):
        where = f"object {number}"
        crowd = False
        # the n-th object of the XML has the pixels n, or, in colours, the n-th colour of the palette
        if not objects.is_coloured and 0 < value <= len(boxed):
            crowd = boxed[value - 1].crowd
        if class_image is not None:
            name = _class_of(class_image, mask, classes, f"{place}: {where}", findings)
        elif not objects.is_coloured and 0 < value <= len(boxed):
            name = boxed[value - 1].class_name
        else:
            detail = f"pixels of the value {value}, no file in SegmentationClass, no such object in the XML"
            findings.add("label_shape", f"{place}: {where}", detail=detail)
            name = None
        if name is not None:
            yield LabelledObject(name, None, mask, where, crowd=crowd)


def _class_of(image: IdImage, mask, classes: VocClasses, place, findings) -> Optional[str]:
    """The class of most of an object's pixels; None after a finding."""
    height, width = mask.pixels.shape
    part = image.values[mask.top : mask.top + height, mask.left : mask.left + width]
    values, counts = np.unique(part[mask.pixels], return_counts=True)
    usable = ~np.isin(values, (0, _VOID_VALUES[image.is_coloured]))
    if not usable.any():
        findings.add("label_shape", place, detail="no class in SegmentationClass where it has pixels")
        return None
    value = int(values[usable][np.argmax(counts[usable])])
    name = classes.by_colour.get(image.colours.get(value, ()))
    if name is None and not image.is_coloured:
        name = classes.by_index.get(value)
    if name is None:
        where = classes.file.name if classes.file else "VOC's 20 classes, and there is no labelmap.txt"
        findings.add("category_unlisted", place, detail=f"class {value} is not in {where}")
    return name
