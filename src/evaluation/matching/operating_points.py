"""Precision, recall and F1 of each class by the score from which detections count."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from .precision_recall import ranked_by_class
from .table import MatchTable


class ScoreSweep(NamedTuple):
    """Counts with the detections of at least a score, for each score that occurs, falling.

    Attributes:
        score: float64 [s].
        true, false: int64 [s], true and false positives.
        objects: number of objects.
    """

    score: np.ndarray
    true: np.ndarray
    false: np.ndarray
    objects: int

    def f1(self) -> np.ndarray:
        """float64 [s], the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
        return 2 * self.true / np.maximum(self.true + self.false + self.objects, 1)


class OperatingPoint(NamedTuple):
    """Counts and rates with the detections of at least a score. Rates are None where nothing is counted."""

    score: float
    true: int
    false: int
    missed: int

    @property
    def precision(self) -> Optional[float]:
        return self.true / (self.true + self.false) if self.true + self.false else None

    @property
    def recall(self) -> Optional[float]:
        return self.true / (self.true + self.missed) if self.true + self.missed else None

    @property
    def f1(self) -> Optional[float]:
        total = 2 * self.true + self.false + self.missed
        return 2 * self.true / total if total else None

    def as_json(self) -> Dict[str, Any]:
        return {**self._asdict(), "precision": self.precision, "recall": self.recall, "f1": self.f1}


def score_sweep(score: np.ndarray, is_true: np.ndarray, is_false: np.ndarray, objects: int) -> ScoreSweep:
    """The sweep over detections in any order; what is neither true nor false is ignored."""
    counted = is_true | is_false
    order = np.argsort(-score[counted], kind="stable")
    score = score[counted][order]
    is_last = np.ones(len(score), bool)  # detections of one score are counted together
    is_last[:-1] = score[:-1] != score[1:]
    true = np.cumsum(is_true[counted][order])[is_last]
    seen = np.arange(1, len(score) + 1)[is_last]
    return ScoreSweep(score[is_last], true, seen - true, int(objects))


def best_point(sweep: ScoreSweep) -> Optional[OperatingPoint]:
    """The point of the highest F1; of equal ones that of the highest score. None without objects."""
    if not sweep.objects:
        return None
    f1 = sweep.f1()
    if not len(f1) or f1.max() == 0:
        return None
    return _point(sweep, int(f1.argmax()))


def point_at(sweep: ScoreSweep, score: float) -> OperatingPoint:
    """The point with the detections of at least `score`."""
    count = int(np.count_nonzero(sweep.score >= score))
    if count == 0:
        return OperatingPoint(score, 0, 0, sweep.objects)
    return _point(sweep, count - 1)._replace(score=score)


def _point(sweep: ScoreSweep, i: int) -> OperatingPoint:
    true = int(sweep.true[i])
    return OperatingPoint(float(sweep.score[i]), true, int(sweep.false[i]), sweep.objects - true)


def class_sweeps(table: MatchTable, threshold: int) -> List[ScoreSweep]:
    """A sweep for each class, at an IoU threshold (its position)."""
    counts = table.object_counts()
    is_true = table.is_true(threshold)
    is_false = table.is_false(threshold)
    return [
        score_sweep(table.detections.score[ranked], is_true[ranked], is_false[ranked], counts[category])
        for category, ranked in ranked_by_class(table)
    ]


def best_common_score(table: MatchTable, threshold: int) -> float:
    """The score of the best F1 over all classes' detections together; 0.5 where there is none."""
    sweep = score_sweep(
        table.detections.score,
        table.is_true(threshold),
        table.is_false(threshold),
        int(table.object_counts().sum()),
    )
    point = best_point(sweep)
    return 0.5 if point is None else point.score
