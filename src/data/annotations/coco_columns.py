"""COCO's annotations to columns, a piece of the list at a time: a clean piece goes the fast way, one with oddities value by value."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError
from ..images.masks import rle_counts, rle_extent
from ..images.polygons import Polygons
from .objects import BAD_BOX, BOX, INFINITE_BOX, NO_BOX, NO_MASK, POLYGONS, RLE, Objects

_NUMBERS = {int, float}  # JSON's numbers; not bool, which is an int to isinstance
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
PLAIN, RESPELLED, UNUSABLE = range(3)  # how a whole number is written
MISSING_ID = -(2**63)


def whole(value):
    """An id or size as an int where it is a whole number in any spelling (7, 7.0, "7") that 64 bits hold, else None."""
    if type(value) is float and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def whole_column(values):
    """(int64 [n], int8 [n] PLAIN, RESPELLED or UNUSABLE) of values out of a JSON."""
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, np.int64), np.zeros(len(values), np.int8)
        except OverflowError:
            pass
    read = [whole(value) for value in values]
    state = [
        UNUSABLE if number is None else PLAIN if type(value) is int else RESPELLED
        for number, value in zip(read, values)
    ]
    return np.array([MISSING_ID if number is None else number for number in read], np.int64), np.array(
        state, np.int8
    )


class AnnotationColumns:
    """Collects `take`n pieces of the annotations list; `objects` gives those of usable pictures and classes as Objects.

    Mistakes within one annotation are findings at once; what needs its picture or the other annotations is checked later.
    """

    def __init__(self, findings):
        self.findings = findings
        self._parts = {
            name: []
            for name in (
                "index",
                "id",
                "id_state",
                "image",
                "image_state",
                "category",
                "category_state",
                "box",
                "box_state",
                "area",
                "crowd",
                "mask",
                "points",
                "lengths",
                "owner",
                "part",
            )
        }
        self._rles, self._rle_box, self._rle_area = {}, {}, {}
        self._count = 0

    def take(self, first, piece):
        """The annotations first, first + 1, ... of the list."""
        index = range(first, first + len(piece))
        if set(map(type, piece)) != {dict}:
            for i, item in zip(index, piece):
                if type(item) is not dict:
                    self.findings.add("annotation_form", f"annotations[{i}]")
            index = [i for i, item in zip(index, piece) if type(item) is dict]
            piece = [item for item in piece if type(item) is dict]
            if not piece:
                return
        columns = {"index": np.array(index, np.int64)}
        for name, key in (("id", "id"), ("image", "image_id"), ("category", "category_id")):
            columns[name], columns[f"{name}_state"] = whole_column([item.get(key) for item in piece])
        columns["box"], columns["box_state"] = _boxes([item.get("bbox") for item in piece])
        columns["area"] = _areas([item.get("area") for item in piece])
        columns["crowd"] = self._crowds(piece, index)
        columns.update(self._masks(piece, index, columns))
        for name, column in columns.items():
            self._parts[name].append(column)
        self._count += len(piece)

    def _crowds(self, piece, index):
        values = [item.get("iscrowd") for item in piece]
        if set(map(type, values)) <= {int}:
            column = np.array([value != 0 for value in values], bool)
            odd = (
                [i for i, value in enumerate(values) if value not in (0, 1)]
                if max(values) > 1 or min(values) < 0
                else []
            )
        else:
            column, odd = np.zeros(len(values), bool), []
            for i, (item, value) in enumerate(zip(piece, values)):
                if "iscrowd" not in item and "is_crowd" in item:
                    value = item["is_crowd"]
                    self.findings.add(
                        "crowd_spelled",
                        f"annotations[{index[i]}].is_crowd",
                        whole(item.get("image_id")),
                        whole(item.get("id")),
                    )
                column[i] = whole(value) not in (None, 0) or value is True
                if not (value is None or (type(value) is int and value in (0, 1))):
                    odd.append(i)
        for i in odd:
            self.findings.add(
                "crowd_value",
                f"annotations[{index[i]}].iscrowd",
                whole(piece[i].get("image_id")),
                whole(piece[i].get("id")),
            )
        return column

    def _masks(self, piece, index, columns):
        kinds, polygons, counts = np.zeros(len(piece), np.int8), [], [0] * len(piece)
        for i, item in enumerate(piece):
            mask = item.get("segmentation")
            kind = type(mask)
            if kind is list:
                if mask:
                    if type(mask[0]) in _NUMBERS:  # one polygon without its list
                        mask = [mask]
                    polygons += mask
                    counts[i] = len(mask)
                    kinds[i] = POLYGONS
            elif kind is dict:
                kinds[i] = self._rle(self._count + i, mask, f"annotations[{index[i]}]", item)
            elif mask is not None:
                self.findings.add(
                    "segmentation_form",
                    f"annotations[{index[i]}].segmentation",
                    whole(item.get("image_id")),
                    whole(item.get("id")),
                )
        owner = np.repeat(np.arange(len(piece)), counts)
        part = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        points, lengths = _points(polygons)
        short, odd = (lengths >= 0) & (lengths < 6), lengths % 2 == 1
        for kind, mask in (
            ("polygon_form", lengths < 0),
            ("polygon_short", short),
            ("polygon_odd", odd & ~short & (lengths > 0)),
        ):
            for p in np.flatnonzero(mask).tolist():
                item = piece[owner[p]]
                self.findings.add(
                    kind,
                    f"annotations[{index[owner[p]]}].segmentation[{part[p]}]",
                    whole(item.get("image_id")),
                    whole(item.get("id")),
                )
        good = (lengths >= 6) & ~odd
        if not good.all():
            lengths = np.maximum(lengths, 0)
            points, lengths, owner, part = (
                points[np.repeat(good, lengths)],
                lengths[good],
                owner[good],
                part[good],
            )
        return {
            "mask": kinds,
            "points": points,
            "lengths": lengths,
            "owner": owner + self._count,
            "part": part,
        }

    def _rle(self, row, rle, place, item):
        try:
            runs = rle_counts(rle)
        except DataError:
            self.findings.add(
                "rle_corrupt", f"{place}.segmentation", whole(item.get("image_id")), whole(item.get("id"))
            )
            return NO_MASK
        size = [int(side) for side in rle["size"]]
        self._rle_box[row], self._rle_area[row] = rle_extent(runs, size[0])
        counts = rle["counts"]
        # a crowd's list of counts takes thirty times as much memory as its text
        counts = (
            counts
            if isinstance(counts, str)
            else mask_api.frPyObjects({"size": size, "counts": runs.tolist()}, *size)["counts"].decode()
        )
        self._rles[row] = {"size": size, "counts": counts}
        return RLE

    def objects(self, image_ids, labels):
        """Objects of the annotations whose picture and class exist.

        image_ids: int64 [P], each once; labels: {category id: label}.
        """
        columns = {
            name: np.concatenate(part) if part else np.zeros((0, 4) if name == "box" else 0, _TYPES[name])
            for name, part in self._parts.items()
        }
        self._parts = {}
        index, ids, images = columns["index"], columns["id"], columns["image"]

        def describe(row, part):
            annotation_id = None if columns["id_state"][row] == UNUSABLE else int(ids[row])
            return (
                f"annotations[{index[row]}]{part}",
                None if columns["image_state"][row] == UNUSABLE else int(images[row]),
                annotation_id,
            )

        picture, known = _find(images, columns["image_state"], image_ids)
        category_ids = np.array(list(labels), np.int64)
        label, named = _find(columns["category"], columns["category_state"], category_ids)
        label = np.array(list(labels.values()), np.int64)[label] if len(labels) else label
        self._add("annotation_image", ~known, describe, ".image_id")
        self._add("annotation_category", known & ~named, describe, ".category_id")
        alive = known & named
        for name in ("id", "image", "category"):
            self._add(
                "respelled",
                alive & (columns[f"{name}_state"] == RESPELLED),
                describe,
                f".{'id' if name == 'id' else name + '_id'}",
            )
        self._add(
            "annotation_id",
            alive
            & ((columns["id_state"] == UNUSABLE) | _repeated(ids, alive & (columns["id_state"] != UNUSABLE))),
            describe,
            ".id",
        )
        self._add(
            "large_id", alive & (columns["id_state"] != UNUSABLE) & (np.abs(ids) > 2**32), describe, ".id"
        )
        ids = np.where(columns["id_state"] == UNUSABLE, index, ids)
        boxes = columns["box"]
        with np.errstate(over="ignore", invalid="ignore"):
            boxes[:, 2:] += boxes[:, :2]
        return self._chosen(columns, alive, picture, label, ids, describe)

    def _add(self, kind, mask, describe, part):
        rows = np.flatnonzero(mask)
        if len(rows):
            self.findings.add_rows(kind, rows, lambda row: (*describe(row, part), ""))

    def _chosen(self, columns, alive, picture, label, ids, describe):
        """The Objects of the rows that are alive, counted anew."""
        rows = np.flatnonzero(alive)
        place = np.cumsum(alive) - 1
        starts = np.concatenate([[0], np.cumsum(columns["lengths"])])
        polygons = Polygons(columns["points"], starts, columns["owner"], columns["part"])
        if len(rows) < len(alive):
            polygons = polygons.take(alive[polygons.owner])
            polygons.owner = place[polygons.owner]
        rles, boxes, areas = (
            {int(place[row]): value for row, value in found.items() if alive[row]}
            for found in (self._rles, self._rle_box, self._rle_area)
        )
        return Objects(
            picture[rows],
            label[rows],
            columns["box"][rows],
            columns["box_state"][rows],
            columns["area"][rows],
            columns["crowd"][rows],
            ids[rows],
            columns["mask"][rows],
            polygons,
            rles,
            boxes,
            areas,
            lambda row, part: describe(int(rows[row]), part),
            boxes_are_sizes=True,
        )


_TYPES = {
    "index": np.int64,
    "id": np.int64,
    "id_state": np.int8,
    "image": np.int64,
    "image_state": np.int8,
    "category": np.int64,
    "category_state": np.int8,
    "box": np.float64,
    "box_state": np.int8,
    "area": np.float64,
    "crowd": bool,
    "mask": np.int8,
    "points": np.float32,
    "lengths": np.int64,
    "owner": np.int64,
    "part": np.int64,
}


def _find(values, state, known):
    """(position int64 [n] of each value in `known`, whether it is there bool [n])."""
    if not len(known):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    order = np.argsort(known, kind="stable")
    position = order[np.minimum(np.searchsorted(known, values, sorter=order), len(known) - 1)]
    return position, (known[position] == values) & (state != UNUSABLE)


def _repeated(ids, alive):
    """bool [n]: ids that an earlier living row has."""
    found = np.zeros(len(ids), bool)
    rows = np.flatnonzero(alive)
    found[rows] = True
    found[rows[np.unique(ids[rows], return_index=True)[1]]] = False
    return found


def _boxes(values):
    """(float64 [n, 4] as written, int8 [n] state)."""
    if set(map(type, values)) == {list} and set(map(len, values)) == {4}:
        flat = list(chain.from_iterable(values))
        if set(map(type, flat)) <= _NUMBERS:
            try:
                return np.array(flat, np.float64).reshape(-1, 4), np.zeros(len(values), np.int8)
            except OverflowError:
                pass
    boxes, state = np.zeros((len(values), 4)), np.zeros(len(values), np.int8)
    for i, value in enumerate(values):
        if value is None:
            state[i] = NO_BOX
        elif type(value) is not list or len(value) != 4 or not _NUMBERS.issuperset(map(type, value)):
            state[i] = BAD_BOX
        else:
            try:
                boxes[i], state[i] = [float(number) for number in value], BOX
            except OverflowError:
                state[i] = INFINITE_BOX
    return boxes, state


def _areas(values):
    if set(map(type, values)) <= _NUMBERS:
        try:
            return np.array(values, np.float64)
        except OverflowError:
            pass
    return np.array(
        [
            value if type(value) is float or (type(value) is int and abs(value) < 2**63) else np.nan
            for value in values
        ],
        np.float64,
    )


def _points(polygons):
    """(float32 [sum of lengths], length int64 [p] of each, -1 for what is not a list of numbers)."""
    if set(map(type, polygons)) <= {list}:
        flat = list(chain.from_iterable(polygons))
        if set(map(type, flat)) <= _NUMBERS:
            try:
                with np.errstate(over="ignore"):
                    return np.array(flat, np.float64).astype(np.float32), np.array(
                        list(map(len, polygons)), np.int64
                    )
            except OverflowError:
                pass
    points, lengths = [], []
    for polygon in polygons:
        usable = type(polygon) is list and _NUMBERS.issuperset(map(type, polygon))
        try:
            points += [float(number) for number in polygon] if usable else []
            lengths.append(len(polygon) if usable else -1)
        except OverflowError:
            lengths.append(-1)
    with np.errstate(over="ignore"):
        return np.array(points, np.float64).astype(np.float32), np.array(lengths, np.int64)
