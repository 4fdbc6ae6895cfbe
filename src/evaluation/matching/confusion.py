"""The confusion matrix with a background, from the matches that precision and recall come from.

Its diagonal holds the true positives of COCO's rule. A detection without a partner may then take an object of
another class that is still free: by falling score, the one with the highest IoU that reaches the threshold.
What is left is background: a detection without an object, or an object that is missed. So the sum of a column
without what is ignored is TP + FP of a class, and the sum of a row is its number of objects.
"""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

import numpy as np

from .greedy import greedy_partners
from .table import ALL_SIZES, MatchTable

BACKGROUND = "background"


class ConfusionMatrix(NamedTuple):
    """Counts, and what they count.

    Attributes:
        matrix: int64 [K+1, K+1]: row: the object's class, column: the detection's; the last of both is the
            background.
        true_class, predicted_class: int64 [n], row and column of each counted entry.
        detection, object: int64 [n], its positions in the table's columns, or -1.
        score: detections of at least this score are counted.
    """

    matrix: np.ndarray
    true_class: np.ndarray
    predicted_class: np.ndarray
    detection: np.ndarray
    object: np.ndarray
    score: float

    def pictures(self, table: MatchTable, row: int, column: int) -> List:
        """The image ids of a cell's entries, each once, in rising order."""
        chosen = (self.true_class == row) & (self.predicted_class == column)
        images = np.where(
            self.detection[chosen] >= 0,
            _at(table.detections.image, self.detection[chosen]),
            _at(table.objects.image, self.object[chosen]),
        )
        return [table.image_ids[image] for image in np.unique(images).tolist()]


def confusion_matrix(table: MatchTable, threshold: int, score: float) -> ConfusionMatrix:
    """The confusion matrix at an IoU threshold (its position) with the detections of at least `score`."""
    background = len(table.category_ids)
    is_counted = table.counted & (table.detections.score >= score)
    is_true = table.is_true(threshold) & is_counted
    is_false = table.is_false(threshold) & is_counted
    partner = np.where(is_true, table.partner[ALL_SIZES, threshold], -1).astype(np.int64)
    is_free = ~table.object_ignored[ALL_SIZES]
    is_free[partner[is_true]] = False
    swapped, swapped_with = _other_class_pairs(table, threshold, is_false, is_free)
    partner[swapped] = swapped_with
    is_free[swapped_with] = False

    found = np.flatnonzero(is_true | is_false)
    missed = np.flatnonzero(is_free)
    has_partner = partner[found] >= 0
    true_of_found = np.where(has_partner, _at(table.objects.category, partner[found]), background)
    true_class = np.concatenate([true_of_found, table.objects.category[missed]]).astype(np.int64)
    predicted_class = np.concatenate([table.detections.category[found], np.full(len(missed), background)])
    matrix = np.bincount(
        true_class * (background + 1) + predicted_class, minlength=(background + 1) ** 2
    ).reshape(background + 1, background + 1)
    return ConfusionMatrix(
        matrix=matrix,
        true_class=true_class,
        predicted_class=predicted_class,
        detection=np.concatenate([found, np.full(len(missed), -1)]),
        object=np.concatenate([partner[found], missed]),
        score=float(score),
    )


def _other_class_pairs(
    table: MatchTable, threshold: int, is_false: np.ndarray, is_free: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """(detections, objects of another class that they take)."""
    overlaps = table.overlaps
    other = table.detections.category[overlaps.detection] != table.objects.category[overlaps.object]
    overlaps = overlaps.at(other & is_false[overlaps.detection] & is_free[overlaps.object])
    order = np.lexsort((np.arange(len(table.detections)), -table.detections.score, table.detections.image))
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order))
    partner = greedy_partners(
        overlaps,
        turn,
        group=table.detections.image,
        thresholds=[table.settings.iou_thresholds[threshold]],
        ignored=np.zeros((1, len(table.objects)), bool),
        reusable=np.zeros(len(table.objects), bool),
    )[0, 0]
    swapped = np.flatnonzero(partner >= 0)
    return swapped, partner[swapped].astype(np.int64)


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """values[places] where places is not -1, else -1; for columns that may be empty."""
    if not len(values):
        return np.full(len(places), -1, np.int64)
    return np.where(places >= 0, values[places], -1)
