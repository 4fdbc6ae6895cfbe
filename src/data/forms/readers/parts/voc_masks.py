"""Pascal VOC's masks: the pixels of objects in SegmentationObject, their classes in SegmentationClass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from .....errors import DataError
from ....findings import Findings
from ...id_images import Colour, IdImage, colour_codes, colour_of, decode_id_image
from ...items import LabelledObject
from ...label_files import place_of, read_text
from ...mask_files import id_rles

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


# as a number, and as a colour
_VOID_VALUES = (VOID, int(colour_codes(np.array(voc_colour(VOID), np.uint8))))


class PixelClass(NamedTuple):
    """The class of most of an object's pixels, but of those without a class.

    Attributes:
        value: of the pixels; of a colour its code.
        colour: of the pixels; None where their picture has none.
        is_coloured: whether the value is a colour.
    """

    value: int
    colour: Optional[Colour]
    is_coloured: bool


class VocObject(NamedTuple):
    """The pixels of a value in SegmentationObject.

    Attributes:
        value: of the pixels; of a colour its code.
        rle: as `LabelledObject` has it.
        pixel_class: its class; None without any.
    """

    value: int
    rle: dict
    pixel_class: Optional[PixelClass]


class Problem(NamedTuple):
    """A finding about a file."""

    kind: str
    path: Path
    detail: str


class ReadMasks(NamedTuple):
    """What was read of a picture's two PNGs.

    Attributes:
        size: (width, height) of the one in SegmentationObject; None where it cannot be read.
        objects: in the order of their values.
        are_coloured: whether their values are colours.
        have_classes: whether there is a picture of classes that can be used.
        problems: with the files, in their order.
    """

    size: Optional[Tuple[int, int]]
    objects: List[VocObject]
    are_coloured: bool
    have_classes: bool
    problems: List[Problem]


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


def load_masks(path: Path) -> ReadMasks:
    """Read the PNG in SegmentationObject and, where there is one, that in SegmentationClass.

    Threads call it: findings are added later, in the order of the pictures.
    """
    problems: List[Problem] = []
    image = _read(path, problems)
    if image is None:
        return ReadMasks(None, [], False, False, problems)
    values = _numbers(image)
    is_coloured = image.values.ndim == 3
    try:
        found = id_rles(values)
    except DataError as error:
        return ReadMasks(None, [], False, False, [Problem("label_file_syntax", path, str(error))])
    height, width = values.shape
    class_path = class_picture(path)
    class_image = _read(class_path, problems) if class_path.is_file() else None
    if class_image is not None and class_image.values.shape[:2] != values.shape:
        other_height, other_width = class_image.values.shape[:2]
        detail = f"{other_width}x{other_height}, the one of the objects is {width}x{height}"
        problems.append(Problem("label_file_form", class_path, detail))
        class_image = None
    classes = {} if class_image is None else _pixel_classes(values, class_image)
    objects = [
        VocObject(one.value, one.rle, classes.get(one.value))
        for one in found
        if one.value != _VOID_VALUES[is_coloured]
    ]
    return ReadMasks((width, height), objects, is_coloured, class_image is not None, problems)


def _read(path: Path, problems: List[Problem]) -> Optional[IdImage]:
    """A PNG; None, with a problem, for what cannot be read."""
    try:
        return decode_id_image(path.read_bytes())
    except DataError as error:
        problems.append(Problem("label_file_syntax", path, str(error)))
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        problems.append(Problem("label_file_unreadable", path, detail))
    return None


def _numbers(image: IdImage) -> np.ndarray:
    """The values of a picture, of colours their codes."""
    if image.values.ndim == 2:
        return image.values
    # of 16 bits a channel the upper 8, as of all of VOC's colours
    colours = image.values if image.values.dtype == np.uint8 else (image.values >> 8).astype(np.uint8)
    return colour_codes(colours)


def _pixel_classes(values: np.ndarray, image: IdImage) -> Dict[int, PixelClass]:
    """{value of an object: the class of most of its pixels}, without objects that have no class anywhere."""
    classes = _numbers(image)
    is_coloured = image.values.ndim == 3
    objects = values.ravel()
    numbers = classes.ravel()
    is_new = (objects[1:] != objects[:-1]) | (numbers[1:] != numbers[:-1])
    starts = np.concatenate([[0], np.flatnonzero(is_new) + 1])
    lengths = np.diff(starts, append=objects.size)
    is_meant = (objects[starts] != 0) & ~np.isin(numbers[starts], (0, _VOID_VALUES[is_coloured]))
    pairs = objects[starts].astype(np.int64) << 32 | (numbers[starts].astype(np.int64) & 0xFFFFFFFF)
    found, position = np.unique(pairs[is_meant], return_inverse=True)
    counts = np.bincount(position, lengths[is_meant], len(found))
    best: Dict[int, Tuple[float, int]] = {}
    for pair, count in zip(found.tolist(), counts.tolist()):
        # of classes with as many pixels the lowest
        if count > best.get(pair >> 32, (0.0, 0))[0]:
            best[pair >> 32] = (count, pair & 0xFFFFFFFF)
    return {
        value: PixelClass(
            number, colour_of(number) if is_coloured else image.palette.get(number), is_coloured
        )
        for value, (_, number) in best.items()
    }


def mask_objects(
    read: ReadMasks,
    path: Path,
    classes: VocClasses,
    boxed: List[LabelledObject],
    root: Path,
    findings: Findings,
) -> List[LabelledObject]:
    """The objects of a picture with their masks.

    Args:
        read: what its PNGs hold.
        path: the PNG in SegmentationObject.
        classes: of the data set.
        boxed: the objects of the picture's XML in its order; the n-th has the pixels n.
        root: of the source.
        findings: what cannot be used is added here.
    """
    for problem in read.problems:
        findings.add(problem.kind, place_of(problem.path, root), detail=problem.detail)
    place = place_of(path, root)
    objects = []
    for number, one in enumerate(read.objects, 1):
        where = f"object {number}"
        # the n-th object of the XML has the pixels n, or, in colours, the n-th colour of the palette
        in_xml = None
        if not read.are_coloured and 0 < one.value <= len(boxed):
            in_xml = boxed[one.value - 1]
        if read.have_classes:
            name = _class_name(one.pixel_class, classes, f"{place}: {where}", findings)
        elif in_xml is not None:
            name = in_xml.class_name
        else:
            detail = (
                f"pixels of the value {one.value}, no file in SegmentationClass, no such object in the XML"
            )
            findings.add("label_shape", f"{place}: {where}", detail=detail)
            name = None
        if name is not None:
            crowd = in_xml is not None and in_xml.crowd
            objects.append(LabelledObject(name, None, one.rle, where, crowd=crowd))
    return objects


def class_picture(path: Path) -> Path:
    """The PNG of the classes for one of the objects."""
    parts = os.path.abspath(path).rsplit("/SegmentationObject/", 1)
    return Path("/SegmentationClass/".join(parts))


def _class_name(
    pixel_class: Optional[PixelClass], classes: VocClasses, place: str, findings
) -> Optional[str]:
    """The name of an object's class; None after a finding."""
    if pixel_class is None:
        findings.add("label_shape", place, detail="no class in SegmentationClass where it has pixels")
        return None
    name = classes.by_colour.get(pixel_class.colour)
    if name is None and not pixel_class.is_coloured:
        name = classes.by_index.get(pixel_class.value)
    if name is None:
        where = classes.file.name if classes.file else "VOC's 20 classes, and there is no labelmap.txt"
        findings.add("category_unlisted", place, detail=f"class {pixel_class.value} is not in {where}")
    return name
