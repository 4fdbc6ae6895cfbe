"""COCO's annotations to objects: image ids become positions of pictures, category ids become labels."""

from __future__ import annotations

from typing import Dict, List, Mapping

import numpy as np

from ..findings import Findings
from .coco_columns import AnnotationColumns
from .json_values import RESPELLED, UNUSABLE
from .object_columns import ObjectColumns


def annotation_objects(
    columns: AnnotationColumns,
    image_ids: List[int],
    labels: Dict[int, int],
    left_out: Mapping[int, str],
    findings: Findings,
    boxes_are_sizes: bool = True,
) -> ObjectColumns:
    """The objects of the annotations whose picture and class exist.

    Args:
        columns: all annotations; its boxes become x1, y1, x2, y2.
        image_ids: the ids of the file's pictures, each once.
        labels: {category id: label}.
        left_out: {category id: kind of finding} of the categories whose objects are left out.
        findings: unusual ids, and annotations that are left out, are added here.
        boxes_are_sizes: whether boxes are x, y, width, height; without, they are x1, y1, x2, y2 already.
    """
    picture_index, has_picture = _positions(
        np.array(image_ids, np.int64), columns.image_id, columns.image_id_spelling
    )
    label_index, has_class = _positions(
        np.array(list(labels), np.int64), columns.category_id, columns.category_id_spelling
    )
    if labels:
        label = np.array(list(labels.values()), np.int64)[label_index]
    else:
        label = label_index
    valid = has_picture & has_class
    has_id = columns.annotation_id_spelling != UNUSABLE
    ids = columns.annotation_id

    def add(kind, mask, part):
        rows = np.flatnonzero(mask)
        if len(rows):
            findings.add_rows(kind, rows, lambda row: (*columns.describe(row, part), ""))

    unknown_class = has_picture & ~has_class
    for kind in sorted(set(left_out.values())):
        category_ids = [category_id for category_id, why in left_out.items() if why == kind]
        is_left_out = unknown_class & np.isin(columns.category_id, category_ids)
        is_left_out &= columns.category_id_spelling != UNUSABLE
        add(kind, is_left_out, ".category_id")
        unknown_class &= ~is_left_out
    # what an unreadable image or category was meant to be is not known: these may be its annotations
    if "image_form" not in findings.counts:
        add("annotation_image", ~has_picture, ".image_id")
    if not {"category_form", "category_twice"} & set(findings.counts):
        add("annotation_category", unknown_class, ".category_id")
    for part, spelling in (
        (".id", columns.annotation_id_spelling),
        (".image_id", columns.image_id_spelling),
        (".category_id", columns.category_id_spelling),
    ):
        add("respelled", valid & (spelling == RESPELLED), part)
    add("annotation_id", valid & (~has_id | _repeated(ids, valid & has_id)), ".id")
    add("large_id", valid & has_id & (np.abs(ids) > 2**32), ".id")
    ids = np.where(has_id, ids, columns.index)
    if boxes_are_sizes:
        with np.errstate(over="ignore", invalid="ignore"):
            columns.boxes[:, 2:] += columns.boxes[:, :2]
    objects = _selected(columns, valid, picture_index, label, ids)
    objects.boxes_are_sizes = boxes_are_sizes
    return objects


def _positions(known, values, spelling):
    """(position int64 [n] of each value in `known` int64 [k], whether it is there bool [n])."""
    if not len(known):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    order = np.argsort(known, kind="stable")
    position = order[np.minimum(np.searchsorted(known, values, sorter=order), len(known) - 1)]
    return position, (known[position] == values) & (spelling != UNUSABLE)


def _repeated(ids, valid):
    """bool [n]: valid rows whose id an earlier valid row has."""
    repeated = valid.copy()
    rows = np.flatnonzero(valid)
    repeated[rows[np.unique(ids[rows], return_index=True)[1]]] = False
    return repeated


def _selected(columns, valid, picture_index, label, ids):
    """The ObjectColumns of the rows where valid bool [n] is true."""
    rows = np.flatnonzero(valid)
    new_row = np.cumsum(valid) - 1
    polygons = columns.polygons
    if len(rows) < len(valid):
        polygons = polygons.select(valid[polygons.owner])
        polygons.owner = new_row[polygons.owner]
    return ObjectColumns(
        picture_index=picture_index[rows],
        labels=label[rows],
        boxes=columns.boxes[rows],
        box_state=columns.box_state[rows],
        areas=columns.areas[rows],
        crowd=columns.crowd[rows],
        annotation_ids=ids[rows],
        mask_kind=columns.mask_kind[rows],
        polygons=polygons,
        rles={int(new_row[row]): mask for row, mask in columns.rles.items() if valid[row]},
        describe=lambda row, part: columns.describe(int(rows[row]), part),
        bad_masks={int(new_row[row]): text for row, text in columns.bad_masks.items() if valid[row]},
    )
