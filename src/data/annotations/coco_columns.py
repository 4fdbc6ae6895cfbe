"""COCO's list of annotations to columns, a chunk of the list at a time.

A chunk in which all values are well formed is converted at once, one with unusual values value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Callable, Dict, List

import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError
from ..findings import Findings, short
from ..images.polygons import Polygons
from ..images.rle import rle_counts, rle_extent
from .json_values import (
    UNUSABLE,
    is_crowd,
    read_areas,
    read_boxes,
    read_plain_polygons,
    read_polygons,
    read_whole_numbers,
    whole_number,
)
from .mending.segmentations import is_plain_rle, mend_segmentation
from .object_columns import BAD_MASK, NO_MASK, POLYGONS, RLE, RleMask

_BAD_MASKS = 100  # how many unreadable segmentations are kept for messages
_UNREADABLE = object()  # stands for a segmentation that is nothing like COCO's


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
        mask_kind: int8 [n], one of NO_MASK, POLYGONS, RLE, BAD_MASK.
        polygons: all polygons; their owners are rows of these columns.
        rles: {row: RleMask}.
        bad_masks: {row: the segmentation as written, shortened} of the first that cannot be read.
        place: position in the file's list -> where the annotation is, for findings.
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
    bad_masks: Dict[int, str]
    place: Callable[[int], str]

    def describe(self, row: int, part: str):
        """(location, image id, annotation id) of a part of an annotation (as ".bbox"), for findings."""
        return (
            self.place(int(self.index[row])) + part,
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

    Args:
        findings: mistakes are added here.
        place: position in the file's list -> where the annotation is, for findings.
    """

    def __init__(self, findings: Findings, place: Callable[[int], str] = "annotations[{}]".format):
        self.findings = findings
        self.place = place
        self._chunks = {name: [] for name in (*_COLUMN_TYPES, *_POLYGON_TYPES)}
        self._rles = {}
        self._bad_masks = {}
        self._count = 0

    def add(self, first: int, items: List[Any]) -> None:
        """Add the annotations at the positions first, first + 1, ... of the file's list."""
        index = range(first, first + len(items))
        if set(map(type, items)) != {dict}:
            for i, item in zip(index, items):
                if type(item) is not dict:
                    self.findings.add("annotation_form", self.place(i))
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
        return AnnotationColumns(**columns, rles=self._rles, bad_masks=self._bad_masks, place=self.place)

    def _joined(self, name, dtype):
        if self._chunks[name]:
            return np.concatenate(self._chunks[name])
        return np.zeros((0, 4) if name == "boxes" else 0, dtype)

    def _add_finding(self, kind, item, location, detail=""):
        image_id = whole_number(item.get("image_id"))
        self.findings.add(kind, location, image_id, whole_number(item.get("id")), detail)

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
                    self._add_finding("crowd_spelled", item, f"{self.place(index[i])}.is_crowd")
                crowd[i] = is_crowd(value)
                if not (value is None or (type(value) is int and value in (0, 1))):
                    odd.append(i)
        for i in odd:
            value = items[i].get("iscrowd", items[i].get("is_crowd"))
            detail = f"{short(value)}, read as {int(crowd[i])}"
            self._add_finding("crowd_value", items[i], f"{self.place(index[i])}.iscrowd", detail)
        return crowd

    def _read_masks(self, items, index):
        """The columns mask_kind and those of the polygons; RLEs go to self._rles."""
        written = [item.get("segmentation") for item in items]
        parts = _plain_parts(written)
        points = None if parts is None else read_plain_polygons(parts)
        segmentations = written
        if points is None or (points.lengths < 6).any():
            # Something is unusual: too short may be points. Every annotation of the chunk is looked at.
            segmentations = [self._mended(*row) for row in zip(written, items, index)]
            parts = list(chain.from_iterable(one for one in segmentations if type(one) is list))
            points = read_polygons(parts)
        counts = np.array([len(one) if type(one) is list else 0 for one in segmentations], np.int64)
        mask_kind = np.where(counts > 0, POLYGONS, NO_MASK).astype(np.int8)
        for i, segmentation in enumerate(segmentations):
            if type(segmentation) is dict and segmentation:
                mask = _read_rle(segmentation)
                if mask is None:
                    location = f"{self.place(index[i])}.segmentation"
                    self._add_finding("rle_corrupt", items[i], location, short(written[i]))
                else:
                    self._rles[self._count + i] = mask
                mask_kind[i] = BAD_MASK if mask is None else RLE
            elif segmentation is _UNREADABLE:
                mask_kind[i] = BAD_MASK
        owner = np.repeat(np.arange(len(items)), counts)
        part = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = self._usable_polygons(parts, points, owner, part, items, index)
        without = np.flatnonzero(
            (mask_kind == POLYGONS) & (np.bincount(columns["owner"], minlength=len(items)) == 0)
        )
        for i in without.tolist():
            # [[]] is as good as []
            mask_kind[i] = BAD_MASK if any(part != [] for part in segmentations[i]) else NO_MASK
        for i in np.flatnonzero(mask_kind == BAD_MASK)[: _BAD_MASKS - len(self._bad_masks)].tolist():
            self._bad_masks[self._count + i] = short(written[i])
        columns["owner"] += self._count
        return {"mask_kind": mask_kind, **columns}

    def _mended(self, written, item, index):
        """A segmentation in COCO's form; _UNREADABLE, with a finding, where it is nothing like that."""
        location = f"{self.place(index)}.segmentation"
        value = written
        if type(written) in (list, str) or (type(written) is dict and not is_plain_rle(written)):
            value, kinds = mend_segmentation(written)
            for kind in kinds:
                self._add_finding(kind, item, location)
        if _has_coco_form(value):
            return value
        self._add_finding("segmentation_form", item, location, short(written))
        return _UNREADABLE

    def _usable_polygons(self, polygons, read, owner, part, items, index):
        """The columns of the usable polygons; the others are findings.

        Args:
            polygons: the p polygons as written.
            read: their PolygonPoints.
            owner, part: int64 [p], position of a polygon's annotation in `items`, and its number within that.
            items, index: the annotations, and their positions in the file's list.
        """
        points, lengths = read
        short_ones = (lengths >= 0) & (lengths < 6)
        odd = lengths % 2 == 1
        for kind, mask in (
            ("polygon_form", lengths < 0),
            ("polygon_short", short_ones),
            ("polygon_odd", odd & ~short_ones & (lengths > 0)),
        ):
            for p in np.flatnonzero(mask).tolist():
                location = f"{self.place(index[owner[p]])}.segmentation[{part[p]}]"
                self._add_finding(kind, items[owner[p]], location, short(polygons[p]))
        valid = (lengths >= 6) & ~odd
        if not valid.all():
            points = points[np.repeat(valid, np.maximum(lengths, 0))]
            lengths = lengths[valid]
            owner = owner[valid]
            part = part[valid]
        return {"points": points, "lengths": lengths, "owner": owner, "part": part}


def _has_coco_form(segmentation):
    """Whether a segmentation is none, a list with polygons, or an RLE dict, usable or not."""
    if type(segmentation) is list:
        return not segmentation or list in map(type, segmentation)
    if type(segmentation) is dict:
        return not segmentation or "counts" in segmentation
    return segmentation is None


def _plain_parts(segmentations):
    """All polygons of segmentations that are in COCO's form, one after another; None if any is not."""
    if not set(map(type, segmentations)) <= {list, dict, type(None)}:
        return None
    if not all(is_plain_rle(one) for one in segmentations if type(one) is dict):
        return None
    return list(chain.from_iterable(one for one in segmentations if type(one) is list))


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
