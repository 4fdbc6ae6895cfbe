"""The reader of COCO-format JSON (https://cocodataset.org/#format-data).

Annotation files come from many tools. What makes a file useless is a DataError with the file's path and the
location. A single bad annotation is left out or corrected, counted, and reported in one line for each kind.
Nothing else is raised.

The file is read in chunks (`json_stream.py`) into columns (`coco_columns.py`, `coco_objects.py`), and all
objects are checked at once (`object_checks.py`): COCO's 118,000 pictures take seconds.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import unicodedata
from functools import partial
from typing import Mapping, Optional, Tuple

import numpy as np

from ..findings import Findings, short
from .annotation_file import AUTO, AnnotationSettings, read_annotation_file
from .coco_columns import AnnotationCollector
from .coco_images import ImageCollector
from .coco_objects import annotation_objects
from .json_stream import ItemCount, parse_object
from .json_values import whole_number
from .mending.class_names import TRAINING, match_class_names
from .mending.encodings import decode_text
from .mending.root_class import root_position
from .object_checks import checked_records
from .records import DataSource

_EXPECTED = "COCO's object with images, annotations and categories expected"


def read_coco(settings: AnnotationSettings, findings: Optional[Findings] = None) -> DataSource:
    """Read a COCO-format annotation file.

    Labels run from 1 in the order of the settings' class names, matched by name: the file may list some of
    them, in any order. With AUTO they have the file's order.
    A size that the file lacks is read from the picture.

    Args:
        settings: the file, the pictures' folder, and the class names.
        findings: Findings to fill; nothing is logged then. If it collects, reading goes on after a fatal one.

    Returns:
        The DataSource, pictures in the file's order.

    Raises:
        DataError: the file is not COCO-like, or has names that the settings lack. The message says how to
            correct it.
    """
    path = str(settings.path)
    should_log = findings is None
    if findings is None:
        findings = Findings(path, skip_pictures=settings.skip_pictures, options=settings.options)
    images = ImageCollector(str(settings.folder), findings)
    with _no_garbage_collection():
        read = partial(read_annotation_file, path)
        source = _read(read, path, images, settings.class_names, findings, settings.class_use)
    if should_log:
        source.notes = findings.log_summary()
    return source


def read_coco_alone(
    data: bytes, name: str, sizes: Optional[Mapping[int, Tuple[int, int]]] = None
) -> DataSource:
    """Read a COCO-format annotation file whose pictures are not at hand, for the figures of a result file.

    Args:
        data: the file's bytes.
        name: what messages call the file.
        sizes: {image id: (height, width)}, which replaces the sizes in the file.

    Returns:
        The DataSource with the file's own classes; what was left out or corrected is logged, and in `notes`.

    Raises:
        DataError: the file is not COCO-like.
    """
    findings = Findings(name)
    images = ImageCollector(None, findings, sizes)
    with _no_garbage_collection():
        source = _read(lambda: data, name, images, AUTO, findings, TRAINING)
    source.notes = findings.log_summary()
    return source


@contextlib.contextmanager
def _no_garbage_collection():
    """Disable the garbage collector: it takes a quarter of the time, and JSON has no reference cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(read, path, images, class_names, findings, use):
    """The DataSource of a file's bytes.

    read: gives the bytes. They are half a gigabyte for COCO, so nobody else may hold them meanwhile.
    images: an empty ImageCollector.
    class_names: as of `AnnotationSettings`.
    use: what the classes are for, see `match_class_names`.
    """
    data = read()
    digest = hashlib.sha256(data).hexdigest()
    size = len(data)
    annotations = AnnotationCollector(findings)
    text = decode_text(data, findings)
    del data
    content = _parse(text, {"annotations": annotations.add, "images": images.add}, findings)
    del text
    categories = _list_under(content, "categories", findings)
    _list_under(content, "images", findings)
    has_annotations = content.get("annotations") is not None
    if has_annotations:
        _list_under(content, "annotations", findings)
    columns = annotations.columns()
    used = set(np.unique(columns.category_id).tolist())
    found, background_id = _read_categories(categories, used, findings)
    left_out = {} if background_id is None else {background_id: "annotation_background"}
    names = ("background", *found)
    if class_names != AUTO:
        all_found = found
        found, names = match_class_names(found, class_names, findings, use)
        for category_id in set(all_found.values()) - set(found.values()):
            left_out[category_id] = "annotation_not_common"
    labels = {found[name]: label for label, name in enumerate(names) if name in found}
    objects = annotation_objects(columns, images.image_ids, labels, left_out, findings)
    records, has_masks = checked_records(objects, images.pictures, findings)
    return DataSource(
        annotation_file=path,
        folder=images.folder.folder if images.folder else "",
        records=records,
        class_names=names,
        category_ids=(0, *(found.get(name) for name in names[1:])),
        has_masks=has_masks,
        has_annotations=has_annotations,
        digest=digest,
        annotation_bytes=size,
        left_out=[picture.image_id for picture in images.pictures if not picture.width],
    )


def _parse(text, handlers, findings):
    """The outermost object of the file; see `parse_object` for the handlers."""
    try:
        content = parse_object(text, handlers)
    except json.JSONDecodeError as error:
        end = " (it is cut off, or empty)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        detail = f"not JSON: {error.msg} at line {error.lineno} column {error.colno}{end}"
        findings.fail("file_syntax", "", detail)
    except (ValueError, RecursionError) as error:
        findings.fail("file_syntax", "", f"not JSON that can be read: {' '.join(str(error).split())[:120]}")
    if not isinstance(content, dict):
        hint = " (a result file?)" if isinstance(content, list) else ""
        findings.fail("file_form", "", f"a {type(content).__name__} at the top level; {_EXPECTED}{hint}")
    return content


def _list_under(content, key, findings):
    """The list under a key, or the ItemCount of one that was handed over in chunks."""
    if key not in content:
        findings.fail("file_form", "", f"'{key}' is missing; {_EXPECTED}")
    value = content[key]
    if not isinstance(value, (list, ItemCount)):
        findings.fail("file_form", "", f"'{key}' is a {type(value).__name__}, a list expected")
    return value


def _read_categories(categories, used, findings):
    """({class name: category id} in the file's order without the background, the background's id or None).

    used: the category ids of the annotations.
    """
    found = {}
    root = root_position(categories, used)
    for index, category in enumerate(categories):
        if index == root:
            findings.add("category_root", f"categories[{index}]", detail=short(category["name"]))
        else:
            _read_category(category, f"categories[{index}]", found, findings)
    background_id = found.pop("background", None)  # some tools list it
    if not found:
        findings.fail("file_form", "", "'categories' lists no class")
    ids = sorted(found.values())
    gaps = [str(a + 1) if b == a + 2 else f"{a + 1} to {b - 1}" for a, b in zip(ids, ids[1:]) if b > a + 1]
    if gaps:
        detail = f"no {', '.join(gaps[:20])}{' ...' if len(gaps) > 20 else ''}"
        findings.add("category_gaps", "categories", detail=detail)
    return found, background_id


def _read_category(category, location, found, findings):
    """Add one category to `found`, {class name: category id}."""
    name = category.get("name") if isinstance(category, dict) else None
    if not isinstance(name, str) or not name.strip():
        findings.add("category_form", location, detail="an object with an id and a name expected")
        return
    name = name.strip()
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        # no file could be written with it
        detail = f"the name {short(name)} has half of a surrogate pair, which is no letter"
        findings.add("category_form", location, detail=detail)
        return
    category_id = whole_number(category.get("id"))
    if category_id is None:
        detail = f"the id of {short(name)} is {short(category.get('id'))}; a whole number expected"
        findings.add("category_form", location, detail=detail)
        return
    same_name = name in found or (not name.isascii() and _normalised(name) in map(_normalised, found))
    if same_name or category_id in found.values():
        repeated = f"name {short(name)}" if same_name else f"id {category_id}"
        detail = f"the {repeated} is used twice; give each category its own"
        findings.add("category_twice", location, detail=detail)
        return
    if type(category["id"]) is not int:
        findings.add("respelled", f"{location}.id")
    if abs(category_id) > 2**32:
        findings.add("large_id", f"{location}.id")
    if category_id == 0 and name != "background":
        findings.add("category_zero", f"{location}.id", detail=name)
    found[name] = category_id


def _normalised(name):
    return unicodedata.normalize("NFC", name)
