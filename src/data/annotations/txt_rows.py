"""The rows of the txt format.

A row is a picture's path below IMAGE_DIR and its boxes, separated by spaces:

    train2017/0000001.jpg 0,259,401,459,7 35,28,324,201,2

A box is x1,y1,x2,y2,class in pixels, its class from 1 to num_classes-1. Masks follow their box as polygons,
a semicolon before each:

    train2017/0000001.jpg 0,259,401,459,7;0,259,401,259,401,459;12,300,40,300,40,320,12,320
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from ..findings import Findings, short
from ..images.polygons import Polygons
from .object_columns import BOX, NO_MASK, POLYGONS, ObjectColumns
from .picture_folder import PictureEntry, PictureFolder

BLANK = " \t\r"


def split_txt_row(line: str) -> Tuple[str, List[str]]:
    """(picture name, its boxes as text) of a row.

    The name may have spaces: it ends before the first word with a comma.
    """
    words = line.replace("\t", " ").replace("\r", " ").strip(" ").split(" ")
    boxes = next((i for i, word in enumerate(words) if i and "," in word), len(words))
    return " ".join(words[:boxes]).strip(" "), [word for word in words[boxes:] if word]


class _Box(NamedTuple):
    """One box of a row.

    Attributes:
        corners: x1, y1, x2, y2 in pixels.
        label: its class, from 1.
        polygons: lists x, y, x, y, ... in pixels.
    """

    corners: Tuple[float, ...]
    label: int
    polygons: List[List[float]]


class RowCollector:
    """Collects the rows that `add` gets; `objects` returns their boxes.

    Args:
        folder: the folder of the pictures.
        max_label: the largest class, None if any is right.
        findings: rows that cannot be read, and unusual ones, are added here.

    Attributes:
        pictures: the PictureEntries of the rows; width 0 for a picture file that cannot be used.
        labels: the class of each box.
    """

    def __init__(self, folder: str, max_label: Optional[int], findings: Findings):
        self.folder = PictureFolder(folder, findings, "line")
        self.max_label = max_label
        self.findings = findings
        self.pictures: List[PictureEntry] = []
        self.labels: List[int] = []
        self._picture_index = []  # of each box, as the following two
        self._position = []  # in its row, from 1
        self._corners = []
        self._polygons = []
        self._has_masks = None  # not known before the first box

    def add(self, number: int, line: str) -> None:
        """Add the row of a line; number: the line's, from 1."""
        name, words = split_txt_row(line)
        if name.count(",") >= 4:
            detail = f"the row starts with the box {short(name)}; a picture's path expected"
            self.findings.add("row_form", f"line {number}", number, detail=detail)
            return
        boxes = [self._read_box(number, word) for word in words]
        path, width, height = self._picture(number, name)
        self.pictures.append(PictureEntry(number, path, width, height, f"line {number}"))
        for position, box in enumerate(boxes, 1):
            if box is not None:
                self.labels.append(box.label)
                self._picture_index.append(len(self.pictures) - 1)
                self._position.append(position)
                self._corners.append(box.corners)
                self._polygons.append(box.polygons)

    def _picture(self, number, name):
        """(path, width, height)."""
        location = f"line {number}"
        path = self.folder.path(name, location, number)
        if path is None:
            return name, 0, 0
        if " " in name:
            self.findings.add("name_spaces", location, number, detail=name)
        height, width = self.folder.size(path, location, number) or (0, 0)
        return path, width, height

    def _read_box(self, number, word):
        """The _Box of a word; None, with a finding, where it cannot be read."""
        box, *polygons = word.split(";")
        fields = box.split(",")
        if len(fields) != 5:
            detail = f"{short(word)} has {len(fields)} numbers; x1,y1,x2,y2,class expected"
            self._add_finding("row_form", number, detail)
            return None
        try:
            corners = tuple(float(field) for field in fields[:4])
            polygons = [[float(field) for field in polygon.split(",")] for polygon in polygons if polygon]
        except ValueError:
            self._add_finding("row_number", number, f"{short(word)} has something that is not a number")
            return None
        problem = self._class_problem(fields[4])
        if problem:
            self._add_finding("row_class", number, problem)
            return None
        if self._has_masks is None:
            self._has_masks = bool(polygons)
        elif self._has_masks != bool(polygons):
            detail = (
                f"a box {'without' if self._has_masks else 'with'} polygons, unlike those before it; "
                "give polygons to every box of the file or to none"
            )
            self._add_finding("masks_mixed", number, detail)
        return _Box(corners, int(fields[4]), polygons)

    def _add_finding(self, kind, number, detail):
        self.findings.add(kind, f"line {number}", number, detail=detail)

    def _class_problem(self, field):
        """What is wrong with a class as written, None if nothing is."""
        if not field.strip().isdecimal() or len(field) > 9:
            return f"the class {short(field)} is not a whole number from 1"
        if int(field) == 0:
            return "class 0 is the background; classes run from 1 to num_classes-1"
        if self.max_label is not None and int(field) > self.max_label:
            problem = f"class {int(field)} is over num_classes-1 = {self.max_label}"
            return f"{problem}; correct it, or set coco_classes"
        return None

    def objects(self) -> ObjectColumns:
        """All boxes. Their annotation ids are line * 1,000,000 + position in the row."""
        count = len(self.labels)
        picture_index = np.array(self._picture_index, np.int64)
        position = np.array(self._position, np.int64)
        numbers = np.array([picture.image_id for picture in self.pictures], np.int64)

        def describe(row, part):
            number = int(numbers[picture_index[row]])
            polygon = part.replace(".segmentation", " polygon ") if "[" in part else ""
            return f"line {number} box {position[row]}{polygon}", number, None

        # 64 bits suffice, and a line has fewer than a million boxes
        ids = numbers[picture_index] * 1_000_000 + position if count else np.zeros(0, np.int64)
        return ObjectColumns(
            picture_index=picture_index,
            labels=np.array(self.labels, np.int64),
            boxes=np.array(self._corners, np.float64).reshape(-1, 4),
            box_state=np.full(count, BOX, np.int8),
            areas=None,
            crowd=np.zeros(count, bool),
            annotation_ids=ids,
            mask_kind=np.full(count, POLYGONS if self._has_masks else NO_MASK, np.int8),
            polygons=self._checked_polygons(describe),
            rles={},
            describe=describe,
        )

    def _checked_polygons(self, describe):
        """The Polygons of usable length; describe: as that of `ObjectColumns`."""
        points = []
        lengths = []
        owners = []
        parts = []
        for row, polygons in enumerate(self._polygons):
            for part, polygon in enumerate(polygons):
                if len(polygon) < 6 or len(polygon) % 2:
                    kind = "polygon_short" if len(polygon) < 6 else "polygon_odd"
                    self.findings.add(kind, *describe(row, f".segmentation[{part}]"))
                    continue
                points += polygon
                lengths.append(len(polygon))
                owners.append(row)
                parts.append(part)
        with np.errstate(over="ignore"):
            points = np.array(points, np.float64)
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return Polygons(points, starts, np.array(owners, np.int64), np.array(parts, np.int64))
