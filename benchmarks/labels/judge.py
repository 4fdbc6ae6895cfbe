"""Somebody who knows the original labels goes through the suspects of a repair (benchmarks.labels.repair)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from pycocotools import mask as mask_api

from benchmarks.labels.faults import Fault, mask_of
from src.evaluation.matching.confusion import confusion_matrix
from src.evaluation.matching.label_mistakes import label_mistakes
from src.evaluation.matching.operating_points import best_common_score
from src.repair.session import RepairSession
from src.repair.suspects import Suspect

_RIGHT_IOU = 0.5


class Judge:
    """Knows the original labels: which suspects put which faults right.

    Args:
        session: the repair.
        faults: of its annotations.
    """

    def __init__(self, session: RepairSession, faults: List[Fault]):
        self._session = session
        self._faults = faults
        self._by_id = {fault.changed["id"]: n for n, fault in enumerate(faults) if fault.changed}

    def faults_of_object(self, annotation_id: int, kind: str) -> Set[int]:
        """The fault of an object, where a suspect of this kind is about it: an object of a wrong class is
        told by CLASS, a moved one by SPURIOUS or POOR."""
        place = self._by_id.get(annotation_id)
        if place is None or (self._faults[place].kind == "relabelled") != (kind == "class"):
            return set()
        return {place}

    def faults_of_mask(self, image_id: int, mask: Dict[str, Any], category: Optional[int] = None) -> Set[int]:
        """The faults whose original object, deleted or moved away, a mask shows."""
        record = self._session.records[image_id]
        return {
            place
            for place, fault in enumerate(self._faults)
            if fault.original["image_id"] == image_id
            and fault.kind != "relabelled"
            and category in (None, fault.original["category_id"])
            and _iou(mask, fault.original, (record.height, record.width)) >= _RIGHT_IOU
        }

    def found(self, suspect: Suspect) -> Set[int]:
        """The faults that a suspect points at."""
        found: Set[int] = set()
        data = self._session.data
        if suspect.object is not None:
            found |= self.faults_of_object(data.annotation_ids[suspect.object], suspect.kind)
        if suspect.detection is not None and suspect.kind != "class":
            found |= self.faults_of_mask(data.table.image_ids[suspect.image], self.mask(suspect.detection))
        return found

    def mask(self, detection: int) -> Dict[str, Any]:
        data = self._session.data
        return data.inputs.detections[data.table.detections.position[detection]]["segmentation"]

    def is_right(self, suspect: Suspect, restored: Set[int]) -> bool:
        """Whether accepting puts a fault right that is not right yet; that is then in `restored`."""
        before, after = self._session.proposal(suspect)
        if before is None:
            category = after["category_id"]
            own = self.faults_of_mask(after["image_id"], self.mask(suspect.detection), category) - restored
            restored |= own
            return bool(own)
        place = self._by_id.get(before["id"])
        if place is None or not self.faults_of_object(before["id"], suspect.kind):
            return suspect.kind == "twice" and place is not None
        if after is None:
            return True
        original = self._faults[place].original
        if suspect.kind == "class":
            return after["category_id"] == original["category_id"]
        record = self._session.records[original["image_id"]]
        is_right = _iou(self.mask(suspect.detection), original, (record.height, record.width)) >= _RIGHT_IOU
        if is_right:
            restored.add(place)
        return is_right


def _iou(mask: Dict[str, Any], item: Dict[str, Any], size: Tuple[int, int]) -> float:
    return float(mask_api.iou([mask], [mask_of(item, size)], [0])[0, 0])


def listed_before(session: RepairSession, judge: Judge) -> Iterator[Set[int]]:
    """The faults that each entry of eval_details.json's lists points at, the lists taken in turns."""
    table = session.data.table
    threshold = table.reference
    confusion = confusion_matrix(table, threshold, best_common_score(table, threshold))
    lists = label_mistakes(table, threshold, confusion, most=10**6)
    places = {}
    for i, image in enumerate(table.objects.image.tolist()):
        places[table.image_ids[image], tuple(table.objects.box[i].tolist())] = session.data.annotation_ids[i]
    of_row = {row: i for i, row in enumerate(table.detections.row.tolist())}
    names = {"without_object": "missing", "never_found": "spurious", "other_class": "class"}
    for turn in range(max(len(lists[name]) for name in names)):
        for name, kind in names.items():
            if turn >= len(lists[name]):
                continue
            entry = lists[name][turn]
            if kind == "missing":
                yield judge.faults_of_mask(entry["image_id"], judge.mask(of_row[entry["row"]]))
            else:
                own = places[entry["image_id"], tuple(entry["bbox"])]
                yield judge.faults_of_object(own, kind)


def as_original(path: Path, session: RepairSession, faults: List[Fault], restored: Set[int]) -> dict:
    """The repaired annotations with the original masks of what was added or given another mask."""
    content = json.loads(path.read_text())
    items = {item["id"]: item for item in content["annotations"]}
    for decision in session.accepted():
        if decision.before is not None and decision.after is None:
            del items[decision.before["id"]]
        elif decision.before is not None:
            items[decision.before["id"]] = decision.after
    for place in restored:
        original = faults[place].original
        items[original["id"]] = original
    return {**content, "annotations": list(items.values())}


def restored_iou(session: RepairSession, judge: Judge, suspect: Suspect, faults: List[Fault]) -> float:
    image_id = session.data.table.image_ids[suspect.image]
    record = session.records[image_id]
    mask = judge.mask(suspect.detection)
    own = judge.faults_of_mask(image_id, mask)
    return max(_iou(mask, faults[place].original, (record.height, record.width)) for place in own)
