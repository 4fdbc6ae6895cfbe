"""COCO-format JSON (https://cocodataset.org/#format-data) to records: polygons, compressed and uncompressed RLE, crowds.

Annotation files come from everywhere. What makes a file useless is a DataError with its path and place; a single bad annotation is
left out or mended, counted, and said in one line a kind. Nothing else is ever raised. The file is read in pieces (`json_stream.py`) into
columns (`coco_columns.py`) and checked all at once (`object_checks.py`), so that COCO's 118,000 pictures take seconds.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import hashlib
import json
import os
import shlex

import numpy as np

from ..findings import Findings, short
from .coco_columns import AnnotationColumns, whole
from .json_stream import Taken, walk_object
from .object_checks import checked_records
from .picture_folder import PictureFolder
from .records import DataSource, read_bytes

__all__ = ["annotation_file", "picture_folder_of", "read_coco", "whole"]

_LARGEST = 2**30  # pixels; the largest picture that OpenCV decodes


def annotation_file(config, split):
    """The annotation file of a split: for "train" coco_root's; for "val" `ann_file` if that is set, else coco_root's."""
    if split == "val" and config.ann_file:
        return config.ann_file
    data_type = config.train_data_type if split == "train" else config.val_data_type
    return os.path.join(config.coco_root, config.instance_set.replace("{}", data_type))


def picture_folder_of(config, split):
    """The folder with a split's pictures, below coco_root."""
    return os.path.join(
        config.coco_root, config.train_data_type if split == "train" else config.val_data_type
    )


def read_coco(config, split="train", ann_file=None, picture_folder=None, findings=None):
    """The DataSource of a COCO-format annotation file.

    split: "train" or "val" names file and folder by the configuration; ann_file, picture_folder: instead of these; findings: a Findings
    to fill, nothing is logged then (one that collects lets reading go on after mistakes that are fatal by themselves).
    Labels run from 1 in the order of `coco_classes` (matched by name, so that the file may list any subset in any order), or with
    coco_classes=auto in the file's own order. Pictures keep the file's order. A size that the file lacks is read from the picture.
    Raises DataError for a file that is not COCO-like, and for names that `coco_classes` lacks, with the words to write.
    """
    path = str(ann_file or annotation_file(config, split))
    folder = str(picture_folder or picture_folder_of(config, split))
    own = findings is None
    findings = Findings(path, skip_pictures=config.bad_pictures == "skip") if own else findings
    with _no_collection():
        source = _read(config, path, folder, findings)
    source.notes = findings.report() if own else []
    return source


@contextlib.contextmanager
def _no_collection():
    """Without the garbage collector: JSON has no cycles, and looking for them in COCO's millions of numbers takes a quarter of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(config, path, folder, findings):
    data = read_bytes(path, "annotation file")
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(codecs.BOM_UTF8):
        findings.add("byte_order_mark", "line 1")
    annotations, images = AnnotationColumns(findings), _Images(folder, findings)
    text = _decode(data, findings)
    del data
    content = _parse(text, {"annotations": annotations.take, "images": images.take}, findings)
    del text
    categories = _list_of(content, "categories", findings)
    _list_of(content, "images", findings)
    has_annotations = content.get("annotations") is not None
    if has_annotations:
        _list_of(content, "annotations", findings)
    names, category_ids, labels = _classes(categories, config.coco_classes, findings)
    objects = annotations.objects(np.array(images.ids, np.int64), labels)
    records, has_masks = checked_records(objects, images.pictures, findings)
    return DataSource(path, folder, records, names, category_ids, has_masks, has_annotations, digest)


def _decode(data, findings):
    try:
        # with utf-8-sig a byte-order mark is passed over; UTF-16 and UTF-32 are JSON's other encodings
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        findings.stop("file_syntax", "", f"not UTF-8 text ({error.reason} at byte {error.start})")


def _parse(text, streams, findings):
    try:
        content = walk_object(text, streams)
    except json.JSONDecodeError as error:
        end = " (it is cut off, or empty)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        findings.stop(
            "file_syntax", "", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}{end}"
        )
    except (ValueError, RecursionError) as error:
        findings.stop("file_syntax", "", f"not JSON that can be read: {' '.join(str(error).split())[:120]}")
    if not isinstance(content, dict):
        findings.stop(
            "file_form",
            "",
            f"a {type(content).__name__} at the top level; COCO's object with images, annotations and categories "
            "expected" + (" (a result file?)" if isinstance(content, list) else ""),
        )
    return content


def _list_of(content, key, findings):
    """The list under a key, or for one that was handed out in pieces its length."""
    if key not in content:
        findings.stop(
            "file_form",
            "",
            f"'{key}' is missing; COCO's object with images, annotations and categories expected",
        )
    value = content[key]
    if not isinstance(value, (list, Taken)):
        findings.stop("file_form", "", f"'{key}' is a {type(value).__name__}, a list expected")
    return value


def _classes(categories, coco_classes, findings):
    """(class names, label -> category id, category id -> label)."""
    found = {}
    for index, category in enumerate(categories):
        place = f"categories[{index}]"
        if (
            not isinstance(category, dict)
            or not isinstance(category.get("name"), str)
            or not category["name"].strip()
        ):
            findings.add("category_form", place, detail="an object with an id and a name expected")
            continue
        name, category_id = category["name"].strip(), whole(category.get("id"))
        if category_id is None:
            findings.add(
                "category_form",
                place,
                detail=f"the id of {short(name)} is {short(category.get('id'))}; a whole number expected",
            )
        elif name in found or category_id in found.values():
            twice = f"name {short(name)}" if name in found else f"id {category_id}"
            findings.add(
                "category_twice", place, detail=f"the {twice} stands there twice; give each category its own"
            )
        else:
            if type(category["id"]) is not int:
                findings.add("respelled", f"{place}.id")
            if abs(category_id) > 2**32:
                findings.add("large_id", f"{place}.id")
            if category_id == 0 and name != "background":
                findings.add("category_zero", f"{place}.id", detail=name)
            found[name] = category_id
    found.pop("background", None)  # some tools list it; nothing is ever an object of it
    if not found:
        findings.stop("file_form", "", "'categories' lists no class")
    ids = sorted(found.values())
    gaps = [str(a + 1) if b == a + 2 else f"{a + 1} to {b - 1}" for a, b in zip(ids, ids[1:]) if b > a + 1]
    if gaps:
        findings.add(
            "category_gaps",
            "categories",
            detail=f"no {', '.join(gaps[:20])}{' ...' if len(gaps) > 20 else ''}",
        )
    names = ("background", *found) if coco_classes == "auto" else tuple(coco_classes)
    unknown = [name for name in found if name not in names]
    if unknown:
        word = shlex.quote("coco_classes=" + json.dumps(["background", *found], ensure_ascii=False))
        findings.add(
            "category_names",
            "",
            detail=f"{len(unknown)} of its {len(found)} categories not in coco_classes (the first: "
            f"{short(unknown[0])}); write {word} or coco_classes=auto",
        )
        names = (*names, *unknown)  # a check goes on
    return (
        names,
        (0, *(found.get(name) for name in names[1:])),
        {found[name]: label for label, name in enumerate(names) if name in found},
    )


class _Images:
    """The images list, taken in pieces: ids and pictures (image id, path, width, height, place) in the file's order, width 0 for an unusable one."""

    def __init__(self, folder, findings):
        self.folder, self.findings = PictureFolder(folder, findings, "image"), findings
        self.ids, self.pictures = [], []
        self._places = {}

    def take(self, first, piece):
        for index, image in enumerate(piece, first):
            self._one(index, image)

    def _one(self, index, image):
        place, findings = f"images[{index}]", self.findings
        if (
            not isinstance(image, dict)
            or not isinstance(image.get("file_name"), str)
            or not image["file_name"]
        ):
            return findings.add("image_form", place, detail="an object with an id and a file_name expected")
        name, image_id = image["file_name"], whole(image.get("id"))
        if image_id is None:
            return findings.add(
                "image_form",
                place,
                detail=f"the id of {short(name)} is {short(image.get('id'))}; a whole number expected",
            )
        if image_id in self._places:
            return findings.add(
                "image_twice",
                place,
                image_id,
                detail=(
                    f"the image id {image_id} stands there twice, first in {self._places[image_id]}; give each picture its own"
                ),
            )
        self._places[image_id] = place
        if type(image["id"]) is not int:
            findings.add("respelled", f"{place}.id", image_id)
        if abs(image_id) > 2**32:
            findings.add("large_id", f"{place}.id", image_id)
        self.ids.append(image_id)
        self.pictures.append((image_id, *self._file(place, image_id, name, image), place))

    def _file(self, place, image_id, name, image):
        """(path, width, height)."""
        findings = self.findings
        path = self.folder.path(name, f"{place}.file_name", image_id)
        if path is None:
            return name, 0, 0
        width, height = whole(image.get("width")), whole(image.get("height"))
        if width is None or height is None or width < 1 or height < 1 or width * height > _LARGEST:
            size = self.folder.size(
                path, place, image_id, "no usable width and height in the file, and the picture cannot tell: "
            )
            if size is None:
                return path, 0, 0
            height, width = size
            findings.add("image_size_missing", place, image_id)
        else:
            for side in ("width", "height"):
                if type(image[side]) is not int:
                    findings.add("respelled", f"{place}.{side}", image_id)
        return path, width, height
