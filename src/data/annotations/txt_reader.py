"""The txt form of annotations (dataset=other) to records.

A row is a picture's path below IMAGE_DIR and its boxes, all split by spaces:

    train2017/0000001.jpg 0,259,401,459,7 35,28,324,201,2

A box is x1,y1,x2,y2,class in pixels, its class from 1 to num_classes-1. Masks follow their box as polygons, each after a semicolon:

    train2017/0000001.jpg 0,259,401,459,7;0,259,401,259,401,459;12,300,40,300,40,320,12,320
"""

from __future__ import annotations

import codecs
import hashlib

import numpy as np

from ...errors import ConfigError
from ..findings import Findings, short
from ..images.polygons import Polygons
from .object_checks import checked_records
from .objects import BOX, NO_MASK, POLYGONS, Objects
from .picture_folder import PictureFolder
from .records import DataSource, read_bytes

_BLANK = " \t\r"


def annotation_txt(config, split):
    """The txt file of a split: for "val" `ann_file` if that is set, else ANNO_PATH. Raises ConfigError where none is set."""
    path = config.ann_file if split == "val" and config.ann_file else config.ANNO_PATH
    for name, value in (("ANNO_PATH", path), ("IMAGE_DIR", config.IMAGE_DIR)):
        if not value:
            raise ConfigError(f"dataset=other needs {name}: write {name}=PATH")
    return path


def read_txt(config, split="train", anno_path=None, findings=None):
    """The DataSource of a txt file: boxes, and masks if every box has polygons.

    Image ids and annotation ids count from 1: a picture's id is its line. Labels are the file's classes; names come from
    `coco_classes`, or with coco_classes=auto are class_1, class_2, ... Picture sizes are read from the pictures. findings: a Findings to fill,
    nothing is logged then (one that collects lets reading go on after mistakes that are fatal by themselves).
    Raises DataError naming the file and line for a row that cannot be read, and ConfigError where ANNO_PATH or IMAGE_DIR is missing.
    """
    path = str(anno_path or annotation_txt(config, split))
    if not config.IMAGE_DIR:
        raise ConfigError("dataset=other needs IMAGE_DIR: write IMAGE_DIR=PATH")
    own = findings is None
    findings = Findings(path, skip_pictures=config.bad_pictures == "skip") if own else findings
    data = read_bytes(path, "annotation file")
    lines = _lines(data, findings)
    highest = (
        None
        if config.coco_classes == "auto" and "num_classes" not in config.written
        else config.num_classes - 1
    )
    rows = _Rows(config.IMAGE_DIR, highest, findings)
    for number, line in lines:
        rows.take(number, line)
    if not rows.pictures:
        findings.stop("file_form", "", "no rows (path x1,y1,x2,y2,class ... expected)")
    records, has_masks = checked_records(rows.objects(), rows.pictures, findings)
    if config.coco_classes == "auto":
        count = highest or max(rows.labels, default=1)
        names = ("background", *(f"class_{label}" for label in range(1, count + 1)))
    else:
        names = tuple(config.coco_classes)
    source = DataSource(
        path,
        str(config.IMAGE_DIR),
        records,
        names,
        tuple(range(len(names))),
        has_masks,
        True,
        hashlib.sha256(data).hexdigest(),
    )
    source.notes = findings.report() if own else []
    return source


def _lines(data, findings):
    """[(line number, text)] of the lines that are not blank."""
    if data.startswith(codecs.BOM_UTF8):
        findings.add("byte_order_mark", "line 1")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.stop(
            "file_syntax", f"line {line}", f"not UTF-8 text ({error.reason}); save the file as UTF-8"
        )
    # not splitlines(), which counts lines otherwise than editors do
    found = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip(_BLANK)]
    windows = np.array([number for number, line in found if line.endswith("\r")], np.int64)
    findings.add_rows("windows_line_ends", windows, lambda number: (f"line {number}", None, None, ""))
    return found


def row_words(line):
    """(picture name, words of its boxes) of a row: the name ends before the first word with a comma, so it may hold spaces."""
    words = line.replace("\t", " ").replace("\r", " ").strip(" ").split(" ")
    boxes = next((i for i, word in enumerate(words) if i and "," in word), len(words))
    return " ".join(words[:boxes]).strip(" "), [word for word in words[boxes:] if word]


class _Rows:
    """Rows taken one by one: pictures (image id, path, width, height, place), width 0 for one that cannot be used, and their boxes in columns."""

    def __init__(self, folder, highest, findings):
        self.folder, self.highest, self.findings = PictureFolder(folder, findings, "line"), highest, findings
        self.pictures, self.owner, self.position, self.boxes, self.labels, self.polygons = (
            [],
            [],
            [],
            [],
            [],
            [],
        )
        self._has_masks = None

    def take(self, number, line):
        name, words = row_words(line)
        if name.count(",") >= 4:
            return self.findings.add(
                "row_form",
                f"line {number}",
                number,
                detail=(f"the row starts with the box {short(name)}; a picture's path expected"),
            )
        objects = [self._object(number, word) for word in words]
        self.pictures.append((number, *self._picture(number, name), f"line {number}"))
        for position, found in enumerate(objects, 1):
            if found is not None:
                box, label, polygons = found
                self.owner.append(len(self.pictures) - 1)
                self.position.append(position)
                self.boxes.append(box)
                self.labels.append(label)
                self.polygons.append(polygons)

    def _picture(self, number, name):
        """(path, width, height)."""
        place = f"line {number}"
        path = self.folder.path(name, place, number)
        if path is None:
            return name, 0, 0
        if " " in name:
            self.findings.add("name_spaces", place, number, detail=name)
        height, width = self.folder.size(path, place, number) or (0, 0)
        return path, width, height

    def _object(self, number, word):
        """(corners, label, polygons) of a box's word; None where it cannot be read."""
        box, *polygons = word.split(";")
        fields = box.split(",")
        if len(fields) != 5:
            return self.findings.add(
                "row_form",
                f"line {number}",
                number,
                detail=(f"{short(word)} has {len(fields)} numbers; x1,y1,x2,y2,class expected"),
            )
        try:
            corners = tuple(float(field) for field in fields[:4])
            polygons = [[float(field) for field in polygon.split(",")] for polygon in polygons if polygon]
        except ValueError:
            return self.findings.add(
                "row_number",
                f"line {number}",
                number,
                detail=f"{short(word)} holds something that is not a number",
            )
        problem = self._class_problem(fields[4])
        if problem:
            return self.findings.add("row_class", f"line {number}", number, detail=problem)
        if self._has_masks is None:
            self._has_masks = bool(polygons)
        elif self._has_masks != bool(polygons):
            self.findings.add(
                "masks_mixed",
                f"line {number}",
                number,
                detail=(
                    f"a box {'without' if self._has_masks else 'with'} polygons, unlike those before it; "
                    "give polygons to every box of the file or to none"
                ),
            )
        return corners, int(fields[4]), polygons

    def _class_problem(self, field):
        if not field.strip().isdecimal() or len(field) > 9:
            return f"the class {short(field)} is not a whole number from 1"
        if int(field) == 0:
            return "class 0 is the background; classes run from 1 to num_classes-1"
        if self.highest is not None and int(field) > self.highest:
            return (
                f"class {int(field)} is over num_classes-1 = {self.highest}; correct it, or set coco_classes"
            )
        return None

    def objects(self):
        """The rows' boxes as Objects; annotation ids are line * 1,000,000 + position."""
        count = len(self.labels)
        owner, position = np.array(self.owner, np.int64), np.array(self.position, np.int64)
        numbers = np.array([picture[0] for picture in self.pictures], np.int64)

        def describe(row, part):
            number = int(numbers[owner[row]])
            return (
                f"line {number} box {position[row]}{part.replace('.segmentation', ' polygon ') if '[' in part else ''}",
                number,
                None,
            )

        # ids beyond 32 bits are fine, and a line has fewer than a million boxes
        ids = numbers[owner] * 1_000_000 + position if count else np.zeros(0, np.int64)
        kinds = np.full(count, POLYGONS if self._has_masks else NO_MASK, np.int8)
        return Objects(
            owner,
            np.array(self.labels, np.int64),
            np.array(self.boxes, np.float64).reshape(-1, 4),
            np.full(count, BOX, np.int8),
            None,
            np.zeros(count, bool),
            ids,
            kinds,
            self._polygons(describe),
            {},
            {},
            {},
            describe,
        )

    def _polygons(self, describe):
        points, lengths, owners, parts = [], [], [], []
        for row, polygons in enumerate(self.polygons):
            for part, polygon in enumerate(polygons):
                if len(polygon) < 6 or len(polygon) % 2:
                    self.findings.add(
                        "polygon_short" if len(polygon) < 6 else "polygon_odd",
                        *describe(row, f".segmentation[{part}]"),
                    )
                    continue
                points += polygon
                lengths.append(len(polygon))
                owners.append(row)
                parts.append(part)
        with np.errstate(over="ignore"):
            points = np.array(points, np.float64).astype(np.float32)
        return Polygons(
            points,
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            np.array(owners, np.int64),
            np.array(parts, np.int64),
        )
