"""One repair: the suspects of a run, what was decided of each, and the corrected annotation file."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from pycocotools import mask as mask_api

from ..data.annotations.records import DataSource, Record
from ..errors import DataError
from ..evaluation.inputs import EvaluationInputs
from ..evaluation.matching.table import MatchTable
from ..whole_files import replaced_file
from .annotation_text import AnnotationText
from .changes import new_annotation, segmentation_form, shape_values, usual_form, with_class, with_shape
from .decision_log import ACCEPT, Decision, DecisionLog
from .suspects import CLASS, MISSING, POOR, Suspect, suspect_id

_FIRST_ITEMS = 1000  # annotations that tell the usual form of masks


class Stale(Exception):
    """A decision about something that was decided elsewhere meanwhile.

    Attributes:
        reason: one line.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class RepairData:
    """What the suspects come from.

    Attributes:
        source: the annotations, read; its paths name the pictures.
        inputs: what was evaluated: of masks, where the data has masks.
        table: its match table.
        annotation_ids: the file's ids of the table's objects.
    """

    source: DataSource
    inputs: EvaluationInputs
    table: MatchTable
    annotation_ids: List[int]


def object_ids(source: DataSource, inputs: EvaluationInputs, table: MatchTable) -> List[int]:
    """The file's annotation ids of the table's objects."""
    ids = []
    for record in source.records:
        for i, annotation_id in enumerate(record.annotation_ids.tolist()):
            has_mask = record.segmentations is not None and record.segmentations[i] is not None
            if inputs.truth.kind == "bbox" or has_mask:  # as `make_ground_truth` takes them
                ids.append(annotation_id)
    return [ids[position] for position in table.objects.annotation.tolist()]


class RepairSession:
    """What the page asks and tells. All methods may be called from several threads.

    Attributes:
        data: what the suspects come from.
        suspects: {id: suspect}, the most certain first.
        records: {image id: record}.
        out: the corrected file.
        written_revision: the revision that the corrected file holds; -1: that is not known.
    """

    def __init__(
        self, data: RepairData, suspects: Sequence[Suspect], text: AnnotationText, log: DecisionLog, out: Path
    ):
        self.data = data
        rows = data.table.detections.row
        self.suspects: Dict[str, Suspect] = {
            suspect_id(suspect, data.annotation_ids, rows): suspect for suspect in suspects
        }
        self.records: Dict[Any, Record] = {record.image_id: record for record in data.source.records}
        self.out = out
        # before the first decision there is nothing to write
        self.written_revision = 0 if log.revision == 0 else -1
        self._text = text
        self._log = log
        self._form = usual_form(text.first_items(_FIRST_ITEMS), data.table.kind == "segm")
        self._lock = threading.RLock()
        self._write_lock = threading.Lock()

    @property
    def revision(self) -> int:
        return self._log.revision

    @property
    def log_path(self) -> Path:
        return self._log.path

    def overview(self) -> Dict[str, Any]:
        """What is decided now."""
        with self._lock:
            return {
                "revision": self._log.revision,
                "written_revision": self.written_revision,
                "last": self._log.last_suspect,
                "decisions": {key: value.decision for key, value in self._log.current.items()},
                "touched": dict(self._log.touched),
            }

    def state_of(self, key: str) -> Tuple[Optional[str], int]:
        """(the decision, or None; the revision that changed it last, 0 without one)."""
        with self._lock:
            decision = self._log.current.get(key)
            return (decision.decision if decision else None), self._log.touched.get(key, 0)

    def decide(self, key: str, decision: str, seen: int) -> None:
        """Store a decision.

        Args:
            key: of the suspect.
            decision: one of DECISIONS.
            seen: the revision that had changed this suspect last when the person decided.

        Raises:
            KeyError: there is no such suspect.
            Stale: it was decided elsewhere meanwhile.
            DataError: the decision cannot be stored.
        """
        suspect = self.suspects[key]
        with self._lock:
            now, touched = self.state_of(key)
            if seen != touched:
                what = f"decided: {now}" if now else "undone"
                raise Stale(f"this suspect was {what}, in another tab or window; the page shows it now")
            before, after = self.proposal(suspect) if decision == ACCEPT else (None, None)
            self._log.decide(key, suspect.kind, decision, before, after)

    def undo(self, seen: int) -> str:
        """Take back the last decision; returns its suspect's id.

        seen: the revision of the log that the person saw.

        Raises:
            Stale: something else was decided meanwhile, or there is nothing to undo.
            DataError: it cannot be stored.
        """
        with self._lock:
            if seen != self._log.revision:
                raise Stale("something was decided in another tab or window; the page shows it now")
            if not self._log.can_undo:
                raise Stale("there is nothing to undo")
            return self._log.undo()

    def proposal(self, suspect: Suspect) -> Tuple[Optional[Dict[str, Any]], Optional[Dict[str, Any]]]:
        """The annotation before and after accepting; None: there is none."""
        table = self.data.table
        if suspect.kind == MISSING:
            with self._lock:
                new_id = max(self._text.largest_id(), self._log.largest_id) + 1
            image_id = table.image_ids[suspect.image]
            category = table.category_ids[table.detections.category[suspect.detection]]
            return None, new_annotation(new_id, image_id, category, self._shape(suspect, self._form))
        before = self._text.item(self.data.annotation_ids[suspect.object])
        if suspect.kind == CLASS:
            category = table.category_ids[table.detections.category[suspect.detection]]
            return before, with_class(before, category)
        if suspect.kind == POOR:
            form = segmentation_form(before)
            has_mask = form in ("polygons", "rle", "counts")
            if has_mask != (table.kind == "segm"):
                form = self._form
            return before, with_shape(before, self._shape(suspect, form))
        return before, None

    def accepted(self) -> List[Decision]:
        """The decisions that change something, in the order in which they were made."""
        with self._lock:
            chosen = [decision for decision in self._log.current.values() if decision.decision == ACCEPT]
            return sorted(chosen, key=lambda decision: decision.revision)

    def write(self) -> Path:
        """Write the corrected file as it is decided now; returns its path. Raises DataError if it cannot."""
        with self._write_lock:
            with self._lock:
                revision = self._log.revision
                accepted = self.accepted()
            added = [decision.after for decision in accepted if decision.before is None]
            changed, removed = {}, set()
            for decision in accepted:
                if decision.before is None:
                    continue
                if decision.before["id"] not in self._text.positions:
                    raise DataError(
                        f"{self._log.path}: annotation {decision.before['id']} is not in the file"
                    )
                if decision.after is None:
                    removed.add(decision.before["id"])
                else:
                    changed[decision.after["id"]] = decision.after
            with replaced_file(self.out) as temporary:
                with open(temporary, "w", encoding="utf-8", newline="") as file:
                    file.writelines(self._text.with_changes(changed, removed, added))
            self.written_revision = revision
        return self.out

    def close(self) -> None:
        """Write what is not written, and close the log."""
        try:
            if self.written_revision != self.revision:
                self.write()
        finally:
            self._log.close()

    def _shape(self, suspect: Suspect, form: str) -> Dict[str, Any]:
        table, detection = self.data.table, suspect.detection
        record = self.records[table.image_ids[suspect.image]]
        rle = None
        if table.kind == "segm":
            rle = self.data.inputs.detections[table.detections.position[detection]]["segmentation"]
        box = table.detections.box[detection].tolist()
        return shape_values(rle, box, (record.height, record.width), form)


def mask_of(item: Dict[str, Any], size: Tuple[int, int]) -> Optional[Dict[str, Any]]:
    """The mask of an annotation as a compressed RLE of `size`; None for a box alone."""
    form = segmentation_form(item)
    if form == "polygons":
        return mask_api.merge(mask_api.frPyObjects(item["segmentation"], *size))
    if form == "counts":
        return mask_api.frPyObjects(item["segmentation"], *size)
    return item["segmentation"] if form == "rle" else None
