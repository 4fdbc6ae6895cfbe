"""COCO's list of annotations to columns, a chunk of the list at a time.

A chunk in which all values are well formed is converted at once, one with unusual values value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List

import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError
from ..findings import Findings
from ..images.polygons import Polygons
from ..images.rle import rle_counts, rle_extent
from .json_values import (
    NUMBER_TYPES,
    UNUSABLE,
    read_areas,
    read_boxes,
    read_polygons,
    read_whole_numbers,
    whole_number,
)
from .object_columns import NO_MASK, POLYGONS, RLE, RleMask


@dataclass
class AnnotationColumns:
    """n annotations in the file's order, as the file has them.

    Attributes:
        index: int64 [n], position in the file's list.
        annotation_id, image_id, category_id: int64 [n].
        annotation_id_spelling, image_id_spelling, category_id_spelling: int8 [n], see `WholeNumbers`.
        boxes: float64 [n, 4], x, y, width, height in pixels.
        box_state: int8 [n], one of BOX, NO_BOX, BAD_BOX, INFINITE_BOX.
        areas: float64 [n], NaN for what is not a number.
        crowd: bool [n].
        mask_kind: int8 [n], one of NO_MASK, POLYGONS, RLE.
        polygons: all polygons; their owners are rows of these columns.
        rles: {row: RleMask}.
    """

    index: np.ndarray
    annotation_id: np.ndarray
    annotation_id_spelling: np.ndarray
    image_id: np.ndarray
    image_id_spelling: np.ndarray
    category_id: np.ndarray
    category_id_spelling: np.ndarray
    boxes: np.ndarray
    box_state: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    mask_kind: np.ndarray
    polygons: Polygons
    rles: Dict[int, RleMask]

    def describe(self, row: int, part: str):
        """(location, image id, annotation id) of a part of an annotation (as ".bbox"), for findings."""
        return (
            f"annotations[{self.index[row]}]{part}",
            None if self.image_id_spelling[row] == UNUSABLE else int(self.image_id[row]),
            None if self.annotation_id_spelling[row] == UNUSABLE else int(self.annotation_id[row]),
        )


_COLUMN_TYPES = {
    "index": np.int64,
    "annotation_id": np.int64,
    "annotation_id_spelling": np.int8,
    "image_id": np.int64,
    "image_id_spelling": np.int8,
    "category_id": np.int64,
    "category_id_spelling": np.int8,
    "boxes": np.float64,
    "box_state": np.int8,
    "areas": np.float64,
    "crowd": bool,
    "mask_kind": np.int8,
}
_POLYGON_TYPES = {"points": np.float64, "lengths": np.int64, "owner": np.int64, "part": np.int64}


class AnnotationCollector:
    """Collects the annotations that `add` gets; `columns` returns them all.

    Mistakes within one annotation become findings here. What needs other parts of the file is checked later.
    """

    def __init__(self, findings: Findings):
        self.findings = findings
        self._chunks = {name: [] for name in (*_COLUMN_TYPES, *_POLYGON_TYPES)}
        self._rles = {}
        self._count = 0

    def add(self, first: int, items: List[Any]) -> None:
        """Add the annotations at the positions first, first + 1, ... of the file's list."""
        index = range(first, first + len(items))
        if set(map(type, items)) != {dict}:
            for i, item in zip(index, items):
                if type(item) is not dict:
                    self.findings.add("annotation_form", f"annotations[{i}]")
            index = [i for i, item in zip(index, items) if type(item) is dict]
            items = [item for item in items if type(item) is dict]
            if not items:
                return
        chunk = {"index": np.array(index, np.int64)}
        for name, key in (("annotation_id", "id"), ("image_id", "image_id"), ("category_id", "category_id")):
            numbers = read_whole_numbers([item.get(key) for item in items])
            chunk[name] = numbers.values
            chunk[f"{name}_spelling"] = numbers.spelling
        chunk["boxes"], chunk["box_state"] = read_boxes([item.get("bbox") for item in items])
        chunk["areas"] = read_areas([item.get("area") for item in items])
        chunk["crowd"] = self._read_crowds(items, index)
        chunk.update(self._read_masks(items, index))
        for name, column in chunk.items():
            self._chunks[name].append(column)
        self._count += len(items)

    def columns(self) -> AnnotationColumns:
        """All annotations so far; call it once, at the end."""
        columns = {name: self._joined(name, dtype) for name, dtype in _COLUMN_TYPES.items()}
        polygons = {name: self._joined(name, dtype) for name, dtype in _POLYGON_TYPES.items()}
        self._chunks = {}
        starts = np.concatenate([[0], np.cumsum(polygons["lengths"])])
        columns["polygons"] = Polygons(polygons["points"], starts, polygons["owner"], polygons["part"])
        return AnnotationColumns(**columns, rles=self._rles)

    def _joined(self, name, dtype):
        if self._chunks[name]:
            return np.concatenate(self._chunks[name])
        return np.zeros((0, 4) if name == "boxes" else 0, dtype)

    def _add_finding(self, kind, item, location):
        self.findings.add(kind, location, whole_number(item.get("image_id")), whole_number(item.get("id")))

    def _read_crowds(self, items, index):
        """crowd bool [n]."""
        values = [item.get("iscrowd") for item in items]
        odd = []
        if set(map(type, values)) <= {int}:
            crowd = np.array([value != 0 for value in values], bool)
            if max(values) > 1 or min(values) < 0:
                odd = [i for i, value in enumerate(values) if value not in (0, 1)]
        else:
            crowd = np.zeros(len(values), bool)
            for i, (item, value) in enumerate(zip(items, values)):
                if "iscrowd" not in item and "is_crowd" in item:
                    value = item["is_crowd"]
                    self._add_finding("crowd_spelled", item, f"annotations[{index[i]}].is_crowd")
                crowd[i] = whole_number(value) not in (None, 0) or value is True
                if not (value is None or (type(value) is int and value in (0, 1))):
                    odd.append(i)
        for i in odd:
            self._add_finding("crowd_value", items[i], f"annotations[{index[i]}].iscrowd")
        return crowd

    def _read_masks(self, items, index):
        """The columns mask_kind and those of the polygons; RLEs go to self._rles."""
        mask_kind = np.zeros(len(items), np.int8)
        polygons = []
        counts = [0] * len(items)  # polygons of each annotation
        for i, item in enumerate(items):
            segmentation = item.get("segmentation")
            kind = type(segmentation)
            if kind is list:
                if segmentation:
                    if type(segmentation[0]) in NUMBER_TYPES:  # one polygon, not in a list
                        segmentation = [segmentation]
                    polygons += segmentation
                    counts[i] = len(segmentation)
                    mask_kind[i] = POLYGONS
            elif kind is dict:
                mask = _read_rle(segmentation)
                if mask is None:
                    self._add_finding("rle_corrupt", item, f"annotations[{index[i]}].segmentation")
                else:
                    self._rles[self._count + i] = mask
                mask_kind[i] = NO_MASK if mask is None else RLE
            elif segmentation is not None:
                self._add_finding("segmentation_form", item, f"annotations[{index[i]}].segmentation")
        owner = np.repeat(np.arange(len(items)), counts)
        part = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return {"mask_kind": mask_kind, **self._read_polygons(polygons, owner, part, items, index)}

    def _read_polygons(self, polygons, owner, part, items, index):
        """The columns of the usable polygons.

        owner, part: int64 [p], position of a polygon's annotation in `items`, and its number within that.
        """
        points, lengths = read_polygons(polygons)
        short = (lengths >= 0) & (lengths < 6)
        odd = lengths % 2 == 1
        for kind, mask in (
            ("polygon_form", lengths < 0),
            ("polygon_short", short),
            ("polygon_odd", odd & ~short & (lengths > 0)),
        ):
            for p in np.flatnonzero(mask).tolist():
                location = f"annotations[{index[owner[p]]}].segmentation[{part[p]}]"
                self._add_finding(kind, items[owner[p]], location)
        valid = (lengths >= 6) & ~odd
        if not valid.all():
            points = points[np.repeat(valid, np.maximum(lengths, 0))]
            lengths = lengths[valid]
            owner = owner[valid]
            part = part[valid]
        return {"points": points, "lengths": lengths, "owner": owner + self._count, "part": part}


def _read_rle(rle):
    """The RleMask of an RLE dict, None for a corrupt one."""
    try:
        runs = rle_counts(rle)
    except DataError:
        return None
    size = [int(side) for side in rle["size"]]
    box, area = rle_extent(runs, size[0])
    counts = rle["counts"]
    if not isinstance(counts, str):
        # a crowd's list of counts takes thirty times as much memory as its text
        counts = mask_api.frPyObjects({"size": size, "counts": runs.tolist()}, *size)["counts"].decode()
    return RleMask({"size": size, "counts": counts}, box, area)
