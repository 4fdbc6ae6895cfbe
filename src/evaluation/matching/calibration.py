"""Calibration of scores: whether detections of a score of 0.8 are right eight times out of ten.

Guo et al., "On Calibration of Modern Neural Networks", 2017: scores in bins of equal width; the expected
calibration error (ECE) is the mean of |mean score - precision| over the bins, weighted by their detections.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import numpy as np

from .table import MatchTable

BINS = 10


def calibration(table: MatchTable, threshold: int, bins: int = BINS) -> Optional[Dict[str, Any]]:
    """The calibration at an IoU threshold (its position), without what is ignored.

    Args:
        table: the match table.
        threshold: a position.
        bins: their number, from 0 to 1; a bin holds its lower limit, the last one 1 as well.

    Returns:
        {"detections": n, "ece": ..., "mce": the largest difference of a bin, "bins": [{"low", "high",
        "detections", "mean_score", "precision"} ...], the two means None in an empty bin, "classes": {name:
        ECE} for classes with detections}; None where there is no detection, or scores are not within 0 to 1.
    """
    is_true = table.is_true(threshold)
    counted = is_true | table.is_false(threshold)
    score = table.detections.score[counted]
    hit = is_true[counted]
    category = table.detections.category[counted]
    if not len(score) or score.min() < 0 or score.max() > 1:
        return None
    entries = _bins(score, hit, bins)
    gaps = [_gap(entry) for entry in entries]
    classes = {}
    for position in np.unique(category).tolist():
        own = category == position
        classes[table.class_names[position]] = _expected_error(_bins(score[own], hit[own], bins))
    return {
        "detections": len(score),
        "ece": _expected_error(entries),
        "mce": max(gaps),
        "bins": entries,
        "classes": classes,
    }


def _bins(score: np.ndarray, hit: np.ndarray, bins: int) -> List[Dict[str, Any]]:
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    score_sum = np.bincount(place, weights=score, minlength=bins)
    hits = np.bincount(place, weights=hit, minlength=bins)
    return [
        {
            "low": i / bins,
            "high": (i + 1) / bins,
            "detections": int(count[i]),
            "mean_score": float(score_sum[i] / count[i]) if count[i] else None,
            "precision": float(hits[i] / count[i]) if count[i] else None,
        }
        for i in range(bins)
    ]


def _gap(entry: Dict[str, Any]) -> float:
    return abs(entry["mean_score"] - entry["precision"]) if entry["detections"] else 0.0


def _expected_error(entries: List[Dict[str, Any]]) -> float:
    total = sum(entry["detections"] for entry in entries)
    return sum(entry["detections"] * _gap(entry) for entry in entries) / total
