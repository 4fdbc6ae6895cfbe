"""The txt form of annotations (dataset=other) to records.

A row is a picture's path below IMAGE_DIR and its boxes, all split by spaces:

    train2017/0000001.jpg 0,259,401,459,7 35,28,324,201,2

A box is x1,y1,x2,y2,class in pixels, its class from 1 to num_classes-1. Masks follow their box as polygons, each after a semicolon:

    train2017/0000001.jpg 0,259,401,459,7;0,259,401,259,401,459;12,300,40,300,40,320,12,320
"""
from __future__ import annotations

import hashlib

from src.data.records import DataSource, Findings, check_box, check_polygon, make_record, picture_path, read_bytes
from src.data.transforms import picture_size
from src.errors import ConfigError, DataError


def annotation_txt(config, split):
    """The txt file of a split: for "val" `ann_file` if that is set, else ANNO_PATH. Raises ConfigError where none is set."""
    path = config.ann_file if split == "val" and config.ann_file else config.ANNO_PATH
    for name, value in (("ANNO_PATH", path), ("IMAGE_DIR", config.IMAGE_DIR)):
        if not value:
            raise ConfigError(f"dataset=other needs {name}: write {name}=PATH")
    return path


def read_txt(config, split="train", anno_path=None):
    """The DataSource of a txt file: boxes, and masks if every box has polygons.

    Image ids and annotation ids count from 1: a picture's id is its line. Labels are the file's classes; names come from
    `coco_classes`, or with coco_classes=auto are class_1, class_2, ... Picture sizes are read from the pictures.
    Raises DataError naming the file and line for a row that cannot be read, and ConfigError where ANNO_PATH or IMAGE_DIR is missing.
    """
    path = str(anno_path or annotation_txt(config, split))
    if not config.IMAGE_DIR:
        raise ConfigError("dataset=other needs IMAGE_DIR: write IMAGE_DIR=PATH")
    data = read_bytes(path, "annotation file")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8 text ({error.reason}); save the file as UTF-8") from None
    highest = None if config.coco_classes == "auto" and "num_classes" not in config.written else config.num_classes - 1
    rows = [(number, *_row(f"{path}:{number}", line.split(), highest)) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise DataError(f"annotation file {path}: no rows (path x1,y1,x2,y2,class ... expected)")
    has_masks = _with_masks(path, rows)
    findings = Findings(path)
    records = [_record(path, config.IMAGE_DIR, number, name, boxes, has_masks, findings) for number, name, boxes in rows]
    if config.coco_classes == "auto":
        count = highest or max((label for row in rows for _, label, _ in row[2]), default=1)
        names = ("background", *(f"class_{label}" for label in range(1, count + 1)))
    else:
        names = tuple(config.coco_classes)
    return DataSource(path, str(config.IMAGE_DIR), records, names, tuple(range(len(names))), has_masks, True,
                      hashlib.sha256(data).hexdigest(), findings.report())


def _row(place, words, highest):
    """(picture name, [(box, label, [polygon, ...]), ...]) of a row's words."""
    name, *boxes = words
    if name.count(",") >= 4:
        raise DataError(f"{place}: the row starts with the box {name[:60]!r}; a picture's path expected")
    return name, [_object(place, word, highest) for word in boxes]


def _object(place, word, highest):
    box, *polygons = word.split(";")
    fields = box.split(",")
    if len(fields) != 5:
        raise DataError(f"{place}: {word[:60]!r} has {len(fields)} numbers; x1,y1,x2,y2,class expected")
    try:
        corners = tuple(float(field) for field in fields[:4])
        polygons = [[float(field) for field in polygon.split(",")] for polygon in polygons if polygon]
    except ValueError:
        raise DataError(f"{place}: {word[:60]!r} holds something that is not a number") from None
    if not fields[4].strip().isdecimal() or len(fields[4]) > 9:
        raise DataError(f"{place}: the class {fields[4][:20]!r} is not a whole number from 1")
    label = int(fields[4])
    if label == 0:
        raise DataError(f"{place}: class 0 is the background; classes run from 1 to num_classes-1")
    if highest is not None and label > highest:
        raise DataError(f"{place}: class {label} is over num_classes-1 = {highest}; correct it, or set coco_classes")
    return corners, label, polygons


def _with_masks(path, rows):
    """Whether boxes have polygons: all or none of them; DataError naming the first line that differs."""
    has_masks = None
    for number, _, boxes in rows:
        for _, _, polygons in boxes:
            if has_masks is None:
                has_masks = bool(polygons)
            elif has_masks != bool(polygons):
                raise DataError(f"{path}:{number}: a box {'without' if has_masks else 'with'} polygons, unlike those before it; "
                                "give polygons to every box of the file or to none")
    return bool(has_masks)


def _record(path, folder, number, name, boxes, has_masks, findings):
    place = f"{path}:{number}"
    picture = picture_path(folder, name, place)
    try:
        height, width = picture_size(picture)
    except DataError as error:
        raise DataError(f"{place}: {error}") from None
    objects = []
    for position, (corners, label, polygons) in enumerate(boxes, 1):
        where = f"line {number} box {position}"
        box, problem = check_box(corners, width, height)
        if problem:
            findings.add(problem, where)
        usable = [polygon for polygon in (check_polygon(polygon, width, height) for polygon in polygons) if polygon is not None]
        if len(usable) < len(polygons):
            findings.add("polygon of under three points, of odd length, not finite or far out of the picture, left out", where)
        if has_masks and not usable:
            findings.add("object without a usable mask in a file with masks, left out", where)
        elif box is not None:
            # ids beyond 32 bits are fine, and a line has fewer than a million boxes
            area = (box[2] - box[0]) * (box[3] - box[1])
            objects.append((box, label, False, number * 1_000_000 + position, area, usable if has_masks else None))
    return make_record(number, picture, width, height, objects, has_masks)
