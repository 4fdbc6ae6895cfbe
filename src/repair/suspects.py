"""Suspected label mistakes as a list that a person goes through, the most certain first.

Every suspect proposes one change of one annotation, or one new annotation. No annotation and no detection is
in two suspects, so that accepting one never contradicts another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.table import ALL_SIZES, BACKGROUND_IOU, MatchTable
from .certainty import of_both, of_missing, of_unsupported
from .coverage import detection_overlaps, object_overlaps, uncovered_shares

MISSING = "missing"
SPURIOUS = "spurious"
CLASS = "class"
POOR = "poor"
TWICE = "twice"
KINDS = (MISSING, SPURIOUS, CLASS, POOR, TWICE)

_FOUND_IOU = 0.5
_GOOD_IOU = 0.75
_LOWEST_SCORE = 0.05  # detections under it propose nothing
_LOWEST_CERTAINTY = 0.01
_TWICE_IOU = 0.7
_TWICE_OTHER_CLASS = 0.85
MOST = 10_000


@dataclass(frozen=True)
class Suspect:
    """One suspected mistake.

    Attributes:
        kind: one of KINDS.
        certainty: from 0 to 1.
        image: position in the table's image ids.
        object: position among the table's objects of what is changed or removed; None: MISSING.
        detection: position among the table's detections of what is put in its place; None: nothing is.
        other: of TWICE the object that stays.
    """

    kind: str
    certainty: float
    image: int
    object: Optional[int] = None
    detection: Optional[int] = None
    other: Optional[int] = None


def find_suspects(table: MatchTable, inputs: EvaluationInputs, most: int = MOST) -> List[Suspect]:
    """The suspects of an evaluation, by falling certainty.

    MISSING: a detection that overlaps no object: "add it". SPURIOUS: an object that nothing finds: "remove
    it". CLASS: an object in whose place another class is found. POOR: an object that a detection meets, but
    with an IoU that is low for this data: "take the detection's mask". TWICE: two objects in one place.

    Args:
        table: the match table. Of masks, where the data has masks.
        inputs: what it was made of.
        most: the length of the list.
    """
    search = _Search(table, inputs)
    found = [*search.twice(), *search.other_class(), *search.poor(), *search.spurious(), *search.missing()]
    found = [suspect for suspect in found if suspect.certainty >= _LOWEST_CERTAINTY]
    return sorted(found, key=lambda suspect: -suspect.certainty)[:most]


class _Search:
    """The kinds one after the other; what one takes is not there for the next."""

    def __init__(self, table: MatchTable, inputs: EvaluationInputs):
        self.table = table
        self.inputs = inputs
        self.score = table.detections.score
        self.crowd = table.objects.crowd
        pairs = table.overlaps.at(~self.crowd[table.overlaps.object])
        pairs = pairs.at(self.score[pairs.detection] >= _LOWEST_SCORE)
        self.pairs = pairs
        self.same = table.detections.category[pairs.detection] == table.objects.category[pairs.object]
        self.best_iou = np.zeros(len(table.detections))
        np.maximum.at(self.best_iou, table.overlaps.detection, table.overlaps.iou)
        self.support = self._best(pairs.iou >= _FOUND_IOU, self.score[pairs.detection])
        self.own_support = self._best(self.same & (pairs.iou >= _FOUND_IOU), self.score[pairs.detection])
        self.fit = self._best(np.ones(len(pairs.iou), bool), self.score[pairs.detection] * pairs.iou)
        self.unsupported = of_unsupported(self.support, table.objects.area)
        self.free_objects = ~self.crowd
        self.is_matched = table.partner[ALL_SIZES, table.reference] >= 0
        self.free_detections = table.counted & ~self.is_matched & (self.score >= _LOWEST_SCORE)
        self.free_detections &= table.detections.area > 0

    def _best(self, chosen: np.ndarray, value: np.ndarray) -> np.ndarray:
        """float [G], the highest value of each object's pairs that are chosen; 0 without one."""
        best = np.zeros(len(self.table.objects))
        np.maximum.at(best, self.pairs.object[chosen], value[chosen])
        return best

    def twice(self) -> List[Suspect]:
        found = []
        category = self.table.objects.category
        for first, second, iou in object_overlaps(self.table, self.inputs, _TWICE_IOU):
            same = category[first] == category[second]
            if not same and iou < _TWICE_OTHER_CLASS:
                continue
            if not (self.free_objects[first] and self.free_objects[second]):
                continue
            weaker, stronger = first, second
            if self._strength(first) >= self._strength(second):
                weaker, stronger = second, first
            self.free_objects[[first, second]] = False
            certainty = min(2 * (iou - 0.5), 1.0)
            found.append(Suspect(TWICE, certainty, self._image(weaker), weaker, None, stronger))
        return found

    def _strength(self, i: int):
        return (self.own_support[i], self.fit[i])

    def other_class(self) -> List[Suspect]:
        chosen = ~self.same & (self.pairs.iou >= _FOUND_IOU)
        chosen &= self.free_detections[self.pairs.detection] & self.free_objects[self.pairs.object]
        score = self.score[self.pairs.detection]
        chosen &= score > self.own_support[self.pairs.object]
        return self._proposals(CLASS, chosen, lambda pair: self._class_certainty(pair))

    def _class_certainty(self, pair: int) -> float:
        score = self.score[self.pairs.detection[pair]]
        own = self.own_support[self.pairs.object[pair]]
        return float(of_missing(score, 1 - own))

    def poor(self) -> List[Suspect]:
        unfound = self.same & (self.pairs.iou < _FOUND_IOU) & (self.pairs.iou >= BACKGROUND_IOU)
        unfound &= self.free_detections[self.pairs.detection] & self.free_objects[self.pairs.object]
        unfound &= self.support[self.pairs.object] == 0
        # a detection that meets another object better says nothing about this one
        unfound &= self.pairs.iou >= self.best_iou[self.pairs.detection]
        found = self._proposals(POOR, unfound, self._poor_certainty)
        rare = of_unsupported(self.fit, self.table.objects.area)
        loose = self.same & (self.pairs.iou >= _FOUND_IOU) & (self.pairs.iou < _GOOD_IOU)
        loose &= (
            self.table.partner[ALL_SIZES, self.table.reference][self.pairs.detection] == self.pairs.object
        )
        loose &= self.free_objects[self.pairs.object]

        def certainty(pair: int) -> float:
            return float(rare[self.pairs.object[pair]] * self.score[self.pairs.detection[pair]])

        return found + self._proposals(POOR, loose, certainty)

    def _poor_certainty(self, pair: int) -> float:
        detection = self.pairs.detection[pair]
        missing = of_missing(self.score[detection], 1.0)
        return float(of_both(missing, self.unsupported[self.pairs.object[pair]] * self.score[detection]))

    def _proposals(self, kind: str, chosen: np.ndarray, certainty) -> List[Suspect]:
        """Pairs by falling score; each object and each detection once."""
        found = []
        places = np.flatnonzero(chosen)
        for pair in places[np.argsort(-self.score[self.pairs.detection[places]], kind="stable")].tolist():
            i, detection = int(self.pairs.object[pair]), int(self.pairs.detection[pair])
            if self.free_objects[i] and (self.free_detections[detection] or self.is_matched[detection]):
                self.free_objects[i] = False
                self.free_detections[detection] = False
                found.append(Suspect(kind, certainty(pair), self._image(i), i, detection))
        return found

    def spurious(self) -> List[Suspect]:
        chosen = np.flatnonzero(self.free_objects & (self.support < _FOUND_IOU))
        return [
            Suspect(SPURIOUS, float(self.unsupported[i] * (1 - self.support[i])), self._image(i), i)
            for i in chosen.tolist()
        ]

    def missing(self) -> List[Suspect]:
        chosen = np.flatnonzero(self.free_detections & (self.best_iou < _FOUND_IOU))
        chosen = self._first_of_each_place(chosen)
        certainty = of_missing(self.score[chosen], uncovered_shares(self.table, self.inputs, chosen))
        image = self.table.detections.image[chosen]
        return [
            Suspect(MISSING, value, of_image, None, detection)
            for value, of_image, detection in zip(certainty.tolist(), image.tolist(), chosen.tolist())
        ]

    def _first_of_each_place(self, chosen: np.ndarray) -> np.ndarray:
        """Without detections that a better one of any class overlaps: one object is proposed once."""
        kept = []
        for group in detection_overlaps(self.table, self.inputs, chosen):
            order = np.argsort(-self.score[group.detections], kind="stable")
            left = np.ones(len(order), bool)
            for place in order.tolist():
                if left[place]:
                    kept.append(int(group.detections[place]))
                    left &= group.iou[place] < _FOUND_IOU
        return np.array(sorted(kept), np.int64)

    def _image(self, i: int) -> int:
        return int(self.table.objects.image[i])


def suspect_id(suspect: Suspect, annotation_ids: Sequence[Any], rows: np.ndarray) -> str:
    """A name of a suspect that stays while annotations and results do.

    Args:
        suspect: the suspect.
        annotation_ids: the file's ids of the table's objects.
        rows: numbers of the result rows of the table's detections.
    """
    parts = [suspect.kind]
    for i in (suspect.object, suspect.other):
        if i is not None:
            parts.append(f"a{annotation_ids[i]}")
    if suspect.detection is not None:
        parts.append(f"r{int(rows[suspect.detection])}")
    return "-".join(parts)


def kind_counts(suspects: Sequence[Suspect]) -> Dict[str, int]:
    """{kind: how many}, of the kinds that occur."""
    counts = {kind: sum(suspect.kind == kind for suspect in suspects) for kind in KINDS}
    return {kind: count for kind, count in counts.items() if count}
