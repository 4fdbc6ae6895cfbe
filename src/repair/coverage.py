"""Overlaps that the match table does not have: of objects with each other, and of detections."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.table import MatchTable


class Group(NamedTuple):
    """Detections of one picture.

    Attributes:
        detections: int64 [n], positions among the table's detections.
        iou: float64 [n, n].
    """

    detections: np.ndarray
    iou: np.ndarray


def object_overlaps(
    table: MatchTable, inputs: EvaluationInputs, lowest: float
) -> List[Tuple[int, int, float]]:
    """(object, object, IoU) of the objects of a picture, crowds left out, by falling IoU from `lowest` on."""
    found = []
    for own in _by_image(table.objects.image, np.flatnonzero(~table.objects.crowd)):
        if len(own) < 2:
            continue
        shapes = _object_shapes(table, inputs, own)
        iou = np.triu(mask_api.iou(shapes, shapes, [0] * len(own)), 1)
        for first, second in np.argwhere(iou >= lowest).tolist():
            found.append((int(own[first]), int(own[second]), float(iou[first, second])))
    return sorted(found, key=lambda pair: -pair[2])


def detection_overlaps(table: MatchTable, inputs: EvaluationInputs, chosen: np.ndarray) -> Iterator[Group]:
    """For each picture with some of the chosen detections (int64 [n]): these, and their IoU."""
    for own in _by_image(table.detections.image, chosen):
        shapes = _detection_shapes(table, inputs, own)
        yield Group(own, np.asarray(mask_api.iou(shapes, shapes, [0] * len(own))))


def uncovered_shares(table: MatchTable, inputs: EvaluationInputs, chosen: np.ndarray) -> np.ndarray:
    """float64 [n], the share of each chosen detection that lies in no object of its picture.

    Of masks, objects count together. Of boxes, the object that covers most does.
    """
    share = np.ones(len(chosen))
    place = {detection: i for i, detection in enumerate(chosen.tolist())}
    bounds = np.searchsorted(table.objects.image, np.arange(len(table.image_ids) + 1))
    for own in _by_image(table.detections.image, chosen):
        image = int(table.detections.image[own[0]])
        objects = np.arange(bounds[image], bounds[image + 1])
        if not len(objects):
            continue
        found = _detection_shapes(table, inputs, own)
        truth = _object_shapes(table, inputs, objects)
        if table.kind == "segm":
            truth = [mask_api.merge(truth)]
        # with a crowd, pycocotools gives the intersection over the detection's area
        covered = np.asarray(mask_api.iou(found, truth, [1] * len(truth))).max(axis=1)
        share[[place[detection] for detection in own.tolist()]] = 1 - np.minimum(covered, 1.0)
    return share


def _by_image(image: np.ndarray, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """The chosen positions, a picture at a time; positions of a picture are neighbours."""
    if len(chosen):
        yield from np.split(chosen, np.flatnonzero(np.diff(image[chosen])) + 1)


def _object_shapes(table, inputs, positions):
    """What pycocotools takes: boxes float64 [n, 4], or a list of RLEs."""
    if table.kind == "bbox":
        return np.ascontiguousarray(table.objects.box[positions])
    annotations = inputs.truth.annotations
    return [annotations[i]["segmentation"] for i in table.objects.annotation[positions].tolist()]


def _detection_shapes(table, inputs, positions):
    if table.kind == "bbox":
        return np.ascontiguousarray(table.detections.box[positions])
    return [inputs.detections[i]["segmentation"] for i in table.detections.position[positions].tolist()]
