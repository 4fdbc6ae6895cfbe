"""TIDE's kinds of errors, and the AP that mending each kind would give.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", 2020, as the authors' tidecv
1.0.1 computes it, on COCO's matches. A false positive has the first kind of these that fits; IoUs are those
with objects that are no crowds, B is 0.1 and F the threshold (0.5):

    Loc   the best IoU with its own class is from B to F: mended, it would be true
    Cls   the best IoU with another class is at least F: mended, it has that object's class
    Dupe  IoU of at least F with an object of its class that has a partner: mended, it is gone
    Bkg   no IoU over B: mended, it is gone
    Both  the rest, wrong in class and place: mended, it is gone
    Miss  an object without a partner that no Loc or Cls could find: mended, it is no longer asked for

Where several of kind Loc or Cls could find an object, that of the highest score does, and the others are
gone; so are those whose object has a partner. Differences to tidecv: detections that COCO's rule ignores are
no errors, and AP is the mean over the classes with objects, as COCO's is.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple

import numpy as np

from .overlaps import best_of_each
from .precision_recall import precision_curve, ranked_by_class
from .table import ALL_SIZES, BACKGROUND_IOU, MatchTable

KINDS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


class Errors(NamedTuple):
    """The kind of each error.

    Attributes:
        detection_kind: int8 [D], a position in KINDS, or -1: no error.
        object_kind: int8 [G], that of Miss, or -1.
        target: int64 [D], the object that a Loc or Cls could find; else -1.
    """

    detection_kind: np.ndarray
    object_kind: np.ndarray
    target: np.ndarray


def classify_errors(table: MatchTable, threshold: int) -> Errors:
    """The errors at an IoU threshold (its position)."""
    foreground = table.settings.iou_thresholds[threshold]
    size = len(table.detections)
    overlaps = table.overlaps.at(~table.objects.crowd[table.overlaps.object])
    same = table.detections.category[overlaps.detection] == table.objects.category[overlaps.object]
    own_iou, own_object = best_of_each(overlaps.at(same), size)
    other_iou, other_object = best_of_each(overlaps.at(~same), size)
    is_found = table.object_partner(threshold) >= 0
    repeats = same & is_found[overlaps.object] & (overlaps.iou >= foreground)
    is_repeated = np.zeros(size, bool)
    is_repeated[overlaps.detection[repeats]] = True

    conditions = [
        ("Loc", (own_iou >= BACKGROUND_IOU) & (own_iou <= foreground)),
        ("Cls", other_iou >= foreground),
        ("Dupe", is_repeated),
        ("Bkg", np.maximum(own_iou, other_iou) <= BACKGROUND_IOU),
        ("Both", np.ones(size, bool)),
    ]
    kind = np.select([holds for _, holds in conditions], [KINDS.index(name) for name, _ in conditions])
    kind = np.where(table.is_false(threshold), kind, -1).astype(np.int8)
    target = np.full(size, -1, np.int64)
    is_loc = kind == KINDS.index("Loc")
    is_cls = kind == KINDS.index("Cls")
    target[is_loc] = own_object[is_loc]
    target[is_cls] = other_object[is_cls]
    is_missed = ~is_found & ~table.object_ignored[ALL_SIZES]
    is_missed[target[target >= 0]] = False
    object_kind = np.where(is_missed, KINDS.index("Miss"), -1).astype(np.int8)
    return Errors(kind, object_kind, target)


def tide(table: MatchTable, threshold: int, errors: Errors) -> Dict[str, Any]:
    """Errors and what mending them gives.

    Args:
        table: the match table.
        threshold: the position of an IoU threshold.
        errors: those at this threshold.

    Returns:
        {"ap": AP at the threshold, "kinds": {kind: {"count": n, "ap_gain": by how much AP would rise if all
        errors of this kind and no others were mended}}}; AP is -1 without objects.
    """
    category = table.detections.category
    is_true = table.is_true(threshold)
    counts = table.ignored[ALL_SIZES, threshold] == 0
    objects = table.object_counts()
    base = _mean_ap(table, category, is_true, counts, objects)
    mended = _chosen_for_targets(table, errors, threshold)
    kinds = {}
    for position, name in enumerate(KINDS):
        if name == "Miss":
            missed = table.objects.category[errors.object_kind == position]
            left = objects - np.bincount(missed, minlength=len(objects))
            figure = _mean_ap(table, category, is_true, counts, left)
            count = len(missed)
        else:
            own = errors.detection_kind == position
            count = int(own.sum())
            rescued = own & mended
            new_category = category.copy()
            if name == "Cls":
                new_category[rescued] = table.objects.category[errors.target[rescued]]
            figure = _mean_ap(table, new_category, is_true | rescued, counts & (~own | rescued), objects)
        kinds[name] = {"count": count, "ap_gain": max(figure - base, 0.0)}
    return {"ap": base, "kinds": kinds}


def _chosen_for_targets(table: MatchTable, errors: Errors, threshold: int) -> np.ndarray:
    """bool [D], the Loc or Cls of the highest score of each object that has no partner."""
    candidates = np.flatnonzero(errors.target >= 0)
    is_found = table.object_partner(threshold) >= 0
    candidates = candidates[~is_found[errors.target[candidates]]]
    order = np.lexsort((candidates, -table.detections.score[candidates], errors.target[candidates]))
    candidates = candidates[order]
    target = errors.target[candidates]
    is_first = np.ones(len(target), bool)
    is_first[1:] = target[1:] != target[:-1]
    chosen = np.zeros(len(table.detections), bool)
    chosen[candidates[is_first]] = True
    return chosen


def _mean_ap(table, category, is_true, counts, objects) -> float:
    """The mean of AP over the classes with objects; -1 without any."""
    figures = [
        precision_curve(is_true[own], np.ones(len(own), bool), objects[position]).mean()
        for position, own in ranked_by_class(table, category, counts)
        if objects[position]
    ]
    return float(np.mean(figures)) if figures else -1.0
