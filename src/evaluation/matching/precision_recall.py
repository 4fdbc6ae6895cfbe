"""Precision and recall from the match table: COCO's figures, and curves."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from ..coco_engine import CocoArrays
from .table import ALL_SIZES, MatchTable

RECALLS = np.linspace(0, 1, 101)


def coco_arrays_of(table: MatchTable) -> CocoArrays:
    """What `coco_engine.coco_arrays` returns, with one entry of `max_dets` in `precision`: the last."""
    settings = table.settings
    thresholds = len(settings.iou_thresholds)
    areas = len(settings.area_ranges)
    categories = len(table.category_ids)
    precision = np.full((thresholds, len(RECALLS), categories, areas, 1), -1.0)
    recall = np.full((thresholds, categories, areas, len(settings.max_dets)), -1.0)
    for area in range(areas):
        counts = table.object_counts(area)
        for category, ranked in ranked_by_class(table):
            if not counts[category]:
                continue
            rank = table.detections.rank[ranked]
            for threshold in range(thresholds):
                ignored = table.ignored[area, threshold][ranked]
                is_true = (table.partner[area, threshold][ranked] >= 0) & ~ignored
                precision[threshold, :, category, area, 0] = precision_curve(
                    is_true, ~ignored, counts[category]
                )
                for position, limit in enumerate(settings.max_dets):
                    hits = np.count_nonzero(is_true & (rank < limit))
                    recall[threshold, category, area, position] = hits / counts[category]
    return CocoArrays(precision, recall)


def ranked_by_class(
    table: MatchTable, category: Optional[np.ndarray] = None, counts: Optional[np.ndarray] = None
) -> Iterator[Tuple[int, np.ndarray]]:
    """(category, its detections that count by falling score) for each category; equal ones by image.

    Args:
        table: the match table.
        category: int [D], other classes of the detections than the table's.
        counts: bool [D], other detections that count than the table's.
    """
    category = table.detections.category if category is None else category
    chosen = np.flatnonzero(table.counted if counts is None else counts)
    order = chosen[np.lexsort((chosen, -table.detections.score[chosen], category[chosen]))]
    bounds = np.searchsorted(category[order], np.arange(len(table.category_ids) + 1))
    for position in range(len(table.category_ids)):
        yield position, order[bounds[position] : bounds[position + 1]]


def precision_curve(is_true: np.ndarray, counts: np.ndarray, objects: int) -> np.ndarray:
    """Interpolated precision at recalls 0, 0.01 ... 1; 0 beyond the highest recall.

    Args:
        is_true: bool [n], true positives, by falling score.
        counts: bool [n], what is not ignored.
        objects: number of objects, at least 1.
    """
    # only true positives raise recall, and precision falls until the next one
    places = np.flatnonzero(is_true)
    hits = np.arange(1, len(places) + 1)
    seen = np.cumsum(counts)[places]
    precision = hits / (seen + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(hits / objects, RECALLS, side="left")
    return np.append(precision, 0.0)[index]


def curves(table: MatchTable) -> List[Dict[str, Any]]:
    """For each class with objects its curves over RECALLS.

    Returns:
        [{"class": name, "category_id": id, "precision50": [101 values], "precision75": [...],
        "precision": [...], the mean over the IoU thresholds, "score50": [...], the score at which a recall is
        reached, None beyond the highest}]. A threshold that is not among the settings has no entry.
    """
    counts = table.object_counts()
    settings = table.settings
    result = []
    for category, ranked in ranked_by_class(table):
        if not counts[category]:
            continue
        of_thresholds = [
            precision_curve(
                table.is_true(threshold)[ranked],
                ~table.ignored[ALL_SIZES, threshold][ranked],
                counts[category],
            )
            for threshold in range(len(settings.iou_thresholds))
        ]
        entry = {"class": table.class_names[category], "category_id": table.category_ids[category]}
        for iou in (0.5, 0.75):
            if settings.has_threshold(iou):
                position = int(np.isclose(settings.iou_thresholds, iou).argmax())
                entry[f"precision{round(100 * iou)}"] = of_thresholds[position].tolist()
        entry["precision"] = np.mean(of_thresholds, axis=0).tolist()
        if settings.has_threshold(0.5):
            entry["score50"] = _scores_at_recalls(table, ranked, counts[category])
        result.append(entry)
    return result


def _scores_at_recalls(table: MatchTable, ranked: np.ndarray, objects: int) -> List[Any]:
    true_scores = table.detections.score[ranked[table.is_true(table.reference)[ranked]]]
    index = np.searchsorted(np.arange(1, len(true_scores) + 1) / objects, RECALLS, side="left")
    return [float(true_scores[i]) if i < len(true_scores) else None for i in index.tolist()]
