"""Suspected mistakes of the annotations: what a reader of the pictures should look at first."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np

from .confusion import ConfusionMatrix
from .overlaps import best_of_each
from .table import ALL_SIZES, BACKGROUND_IOU, MatchTable

MOST = 100  # entries of a list


def label_mistakes(
    table: MatchTable, threshold: int, confusion: ConfusionMatrix, most: int = MOST
) -> Dict[str, List[Dict[str, Any]]]:
    """Suspected label mistakes, the most suspicious first.

    Args:
        table: the match table.
        threshold: the position of an IoU threshold.
        confusion: the confusion matrix at it; detections under its score are not suspected.
        most: the length of each list.

    Returns:
        {"without_object": detections that overlap no object of any class, crowds included, by an IoU of 0.1,
            by falling score: a missing annotation?
        "never_found": objects that no detection of any class and score reaches, by falling area: a wrong one?
        "other_class": objects that have no partner, and a detection of another class in their place, by
            falling score: a wrong class?
        "swapped_classes": pairs of classes by how often one is taken for the other}
    """
    return {
        "without_object": _without_object(table, threshold, confusion.score, most),
        "never_found": _never_found(table, threshold, most),
        "other_class": _other_class(table, confusion, most),
        "swapped_classes": _swapped_classes(table, confusion, most),
    }


def describe_detection(table: MatchTable, i: int) -> Dict[str, Any]:
    """Detection i in the words of a COCO result row, with its class's name and its row's number."""
    detections = table.detections
    return {
        "image_id": table.image_ids[detections.image[i]],
        "class": table.class_names[detections.category[i]],
        "score": float(detections.score[i]),
        "bbox": detections.box[i].tolist(),
        "row": int(detections.row[i]),
    }


def describe_object(table: MatchTable, i: int) -> Dict[str, Any]:
    """Object i in the words of a COCO annotation, with its class's name."""
    objects = table.objects
    return {
        "image_id": table.image_ids[objects.image[i]],
        "class": table.class_names[objects.category[i]],
        "bbox": objects.box[i].tolist(),
        "area": float(objects.area[i]),
    }


def _without_object(table, threshold, score, most):
    best, _ = best_of_each(table.overlaps, len(table.detections))
    suspected = table.is_false(threshold) & (best < BACKGROUND_IOU) & (table.detections.score >= score)
    chosen = np.flatnonzero(suspected)
    chosen = chosen[np.argsort(-table.detections.score[chosen], kind="stable")][:most]
    return [describe_detection(table, i) for i in chosen.tolist()]


def _never_found(table, threshold, most):
    best = np.zeros(len(table.objects))
    np.maximum.at(best, table.overlaps.object, table.overlaps.iou)
    reached = best >= table.settings.iou_thresholds[threshold]
    chosen = np.flatnonzero(~reached & ~table.object_ignored[ALL_SIZES])
    chosen = chosen[np.argsort(-table.objects.area[chosen], kind="stable")][:most]
    return [{**describe_object(table, i), "best_iou": float(best[i])} for i in chosen.tolist()]


def _other_class(table, confusion, most):
    is_swap = (confusion.detection >= 0) & (confusion.object >= 0)
    is_swap &= confusion.true_class != confusion.predicted_class
    chosen = np.flatnonzero(is_swap)
    chosen = chosen[np.argsort(-table.detections.score[confusion.detection[chosen]], kind="stable")][:most]
    entries = []
    for i in chosen.tolist():
        detection = describe_detection(table, confusion.detection[i])
        found = {"predicted": detection["class"], "score": detection["score"], "row": detection["row"]}
        entries.append({**describe_object(table, confusion.object[i]), **found})
    return entries


def _swapped_classes(table, confusion, most):
    counts = confusion.matrix[:-1, :-1]
    first, second = np.nonzero(np.triu(counts + counts.T, 1))
    total = counts[first, second] + counts[second, first]
    order = np.argsort(-total, kind="stable")[:most]
    return [
        {
            "classes": [table.class_names[first[i]], table.class_names[second[i]]],
            "first_as_second": int(counts[first[i], second[i]]),
            "second_as_first": int(counts[second[i], first[i]]),
        }
        for i in order.tolist()
    ]
