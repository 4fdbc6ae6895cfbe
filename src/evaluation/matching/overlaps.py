"""IoU of detections with the objects of their pictures, of any class."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ..inputs import EvaluationInputs
from .columns import DetectionColumns, ObjectColumns

_PAIRS_AT_ONCE = 4_000_000


class Overlaps(NamedTuple):
    """Pairs of a detection and an object of its picture, by rising detection and object.

    Attributes:
        detection: int64 [P], positions among the detections.
        object: int64 [P], positions among the objects.
        iou: float64 [P]. With a crowd it is the intersection over the detection's area.
    """

    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray

    def at(self, chosen: np.ndarray) -> Overlaps:
        """Some of the pairs: those of bool [P], or of int [n] in that order."""
        return Overlaps(self.detection[chosen], self.object[chosen], self.iou[chosen])


def find_overlaps(
    inputs: EvaluationInputs,
    detections: DetectionColumns,
    objects: ObjectColumns,
    max_dets: int,
    lowest: float,
) -> Overlaps:
    """The pairs whose IoU is at least `lowest`.

    Args:
        inputs: holds the masks.
        detections, objects: its columns.
        max_dets: detections of a lower rank in their image and class have no pairs.
        lowest: an IoU.
    """
    counted = np.flatnonzero(detections.rank < max_dets)
    first_object = np.searchsorted(objects.image, np.arange(len(inputs.image_ids) + 1))
    if inputs.truth.kind == "bbox":
        parts = _box_overlaps(detections, objects, counted, first_object)
    else:
        parts = _mask_overlaps(inputs, detections, objects, counted, first_object)
    kept = [part.at(part.iou >= lowest) for part in parts]
    empty = Overlaps(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Overlaps(*(np.concatenate(column) for column in zip(empty, *kept)))


def box_iou(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of pairs of boxes, as bbIou of pycocotools' maskApi.c computes it.

    Args:
        found, truth: float64 [P, 4], x, y, w, h.
        crowd: bool [P], whether the object is a crowd.
    """
    sides = np.minimum(found[:, :2] + found[:, 2:], truth[:, :2] + truth[:, 2:])
    sides -= np.maximum(found[:, :2], truth[:, :2])
    intersection = sides[:, 0] * sides[:, 1]
    area = found[:, 2] * found[:, 3]
    union = np.where(crowd, area, area + truth[:, 2] * truth[:, 3] - intersection)
    iou = np.zeros(len(found))
    meet = (sides > 0).all(axis=1)
    np.divide(intersection, union, out=iou, where=meet)
    return iou


def _box_overlaps(detections, objects, counted, first_object) -> Iterator[Overlaps]:
    image = detections.image[counted]
    begin = first_object[image]
    count = first_object[image + 1] - begin
    for part in _parts(count):
        detection = np.repeat(counted[part], count[part])
        within = np.arange(len(detection)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
        partner = np.repeat(begin[part], count[part]) + within
        iou = box_iou(detections.box[detection], objects.box[partner], objects.crowd[partner])
        yield Overlaps(detection, partner, iou)


def _parts(count: np.ndarray) -> List[slice]:
    """Slices of the detections, each with a bounded number of pairs."""
    if not len(count):
        return []
    number = np.cumsum(count) // _PAIRS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(count)]
    return [slice(begin, end) for begin, end in zip(bounds, bounds[1:])]


def _mask_overlaps(inputs, detections, objects, counted, first_object) -> Iterator[Overlaps]:
    first_counted = np.searchsorted(detections.image[counted], np.arange(len(inputs.image_ids) + 1))
    for image in range(len(inputs.image_ids)):
        found = counted[first_counted[image] : first_counted[image + 1]]
        truth = np.arange(first_object[image], first_object[image + 1])
        if not len(found) or not len(truth):
            continue
        iou = mask_api.iou(
            _masks(inputs.detections, detections.position[found]),
            _masks(inputs.truth.annotations, objects.annotation[truth]),
            objects.crowd[truth].astype(np.uint8),
        )
        yield Overlaps(np.repeat(found, len(truth)), np.tile(truth, len(found)), iou.reshape(-1))


def _masks(annotations: List[dict], positions: np.ndarray) -> List[dict]:
    return [annotations[position]["segmentation"] for position in positions.tolist()]


def best_of_each(overlaps: Overlaps, size: int) -> Tuple[np.ndarray, np.ndarray]:
    """For each detection its pair of the highest IoU; of equal ones that of the first object.

    Args:
        overlaps: pairs by rising detection and object.
        size: number of detections.

    Returns:
        (float64 [size], the IoU, 0 without a pair; int64 [size], the object, -1 without a pair)
    """
    order = np.lexsort((-overlaps.object, overlaps.iou, overlaps.detection))
    iou = np.zeros(size)
    partner = np.full(size, -1, np.int64)
    # where a detection has several pairs the last assignment stays
    iou[overlaps.detection[order]] = overlaps.iou[order]
    partner[overlaps.detection[order]] = overlaps.object[order]
    return iou, partner
