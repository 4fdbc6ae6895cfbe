"""A suspect as the page shows it: its words, and what is drawn over its picture."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..data.annotations.records import Record
from ..report.gallery import picture_name
from .changes import outlines
from .session import RepairSession, mask_of
from .suspects import CLASS, MISSING, POOR, SPURIOUS, TWICE, Suspect

_LOWEST_SCORE = 0.3  # of detections that are drawn besides the suspect's own
_MOST_DETECTIONS = 100
_TOLERANCE = 0.4  # of outlines, in pixels


class SuspectPages:
    """Makes what the page shows of suspects.

    Args:
        session: the repair.
    """

    def __init__(self, session: RepairSession):
        self.session = session
        data = session.data
        self._table = data.table
        self._names = dict(zip(data.table.category_ids, data.table.class_names))
        self._position = {annotation_id: i for i, annotation_id in enumerate(data.annotation_ids)}
        self._objects = _by_image(data.table.objects.image, len(data.table.image_ids))
        self._detections = _by_image(data.table.detections.image, len(data.table.image_ids))

    def listed(self) -> List[Dict[str, Any]]:
        """A line for each suspect."""
        return [
            {
                "id": key,
                "kind": suspect.kind,
                "class": self._class(suspect),
                "certainty": round(suspect.certainty, 4),
                "picture": picture_name(self._record(suspect)),
            }
            for key, suspect in self.session.suspects.items()
        ]

    def details(self, key: str) -> Dict[str, Any]:
        """All of one suspect. Raises KeyError: there is none of this id."""
        suspect = self.session.suspects[key]
        record = self._record(suspect)
        decision, touched = self.session.state_of(key)
        question, accept, reject = self.words(suspect)
        return {
            "id": key,
            "kind": suspect.kind,
            "certainty": round(suspect.certainty, 4),
            "decision": decision,
            "touched": touched,
            "question": question,
            "accept": accept,
            "reject": reject,
            "picture": {
                "id": record.image_id,
                "name": picture_name(record),
                "width": record.width,
                "height": record.height,
            },
            "truth": self._truth(suspect, record),
            "predictions": self._predictions(suspect),
        }

    def words(self, suspect: Suspect) -> Tuple[str, str, str]:
        """(what is suspected, what accepting does, what rejecting does)."""
        kind = suspect.kind
        if suspect.detection is not None:
            score = f"{self._table.detections.score[suspect.detection]:.2f}"
            found = self._table.class_names[self._table.detections.category[suspect.detection]]
        if suspect.object is not None:
            annotated = self._table.class_names[self._table.objects.category[suspect.object]]
        if kind == MISSING:
            return (
                f"Is a “{found}” missing? The network finds one with a score of {score}, and none is "
                "annotated here.",
                f"Add this object (“{found}”)",
                "Nothing is missing",
            )
        if kind == SPURIOUS:
            return (
                f"Is this “{annotated}” there at all? The network finds hardly anything in its place.",
                f"Remove this “{annotated}”",
                "Keep it",
            )
        if kind == CLASS:
            return (
                f"Is this “{annotated}” a “{found}”? The network takes it for one with a score of {score}.",
                f"Change the class to “{found}”",
                f"Keep “{annotated}”",
            )
        what = "mask" if self._table.kind == "segm" else "box"
        if kind == POOR:
            return (
                f"Is the {what} of this “{annotated}” wrong? The network's, with a score of {score}, is "
                "another.",
                f"Replace the {what} by the network's",
                f"Keep the {what}",
            )
        other = self._table.class_names[self._table.objects.category[suspect.other]]
        return (
            f"Is this object annotated twice? This “{annotated}” lies on a “{other}”.",
            f"Remove this “{annotated}”; the other one stays",
            "Keep both",
        )

    def _class(self, suspect: Suspect) -> str:
        columns = self._table.objects if suspect.object is not None else self._table.detections
        place = suspect.object if suspect.object is not None else suspect.detection
        return self._table.class_names[columns.category[place]]

    def _record(self, suspect: Suspect) -> Record:
        return self.session.records[self._table.image_ids[suspect.image]]

    def _truth(self, suspect: Suspect, record: Record) -> List[Dict[str, Any]]:
        """The objects of a picture, with what is accepted until now."""
        own = self.session.data.annotation_ids[suspect.object] if suspect.object is not None else None
        other = self.session.data.annotation_ids[suspect.other] if suspect.kind == TWICE else None
        size = (record.height, record.width)
        changed, added = {}, []
        for decision in self.session.accepted():
            if decision.before is None:
                if decision.after["image_id"] == record.image_id:
                    added.append(decision.after)
            else:
                changed[decision.before["id"]] = decision.after
        shapes = []
        for i in self._objects[suspect.image].tolist():
            annotation_id = self.session.data.annotation_ids[i]
            role = {own: "suspect", other: "stays"}.get(annotation_id, "other")
            shape = self._object_shape(i)
            if annotation_id in changed:
                item = changed[annotation_id]
                if item is None:
                    shapes.append({**shape, "role": role, "state": "removed"})
                    continue
                shape = {**self._item_shape(item, size), "crowd": shape["crowd"]}
            shapes.append(
                {**shape, "role": role, "state": "changed" if annotation_id in changed else "as is"}
            )
        shapes += [{**self._item_shape(item, size), "role": "other", "state": "added"} for item in added]
        return shapes

    def _object_shape(self, i: int) -> Dict[str, Any]:
        objects = self._table.objects
        rle = None
        if self._table.kind == "segm":
            rle = self.session.data.inputs.truth.annotations[objects.annotation[i]]["segmentation"]
        return {
            "id": self.session.data.annotation_ids[i],
            "class": self._table.class_names[objects.category[i]],
            "crowd": bool(objects.crowd[i]),
            **_shape(rle, objects.box[i].tolist()),
        }

    def _item_shape(self, item: Mapping[str, Any], size: Tuple[int, int]) -> Dict[str, Any]:
        name = self._names.get(item["category_id"], str(item["category_id"]))
        shape = _shape(mask_of(item, size), item["bbox"])
        return {"id": item["id"], "class": name, "crowd": False, **shape}

    def _predictions(self, suspect: Suspect) -> List[Dict[str, Any]]:
        detections = self._table.detections
        own = self._detections[suspect.image]
        chosen = own[(detections.score[own] >= _LOWEST_SCORE) | (own == suspect.detection)]
        chosen = chosen[np.argsort(-detections.score[chosen], kind="stable")]
        shown = chosen[:_MOST_DETECTIONS].tolist()
        if suspect.detection is not None and suspect.detection not in shown:
            shown.append(suspect.detection)
        return [self._detection_shape(i, "suspect" if i == suspect.detection else "other") for i in shown]

    def _detection_shape(self, i: int, role: str) -> Dict[str, Any]:
        detections = self._table.detections
        rle = None
        if self._table.kind == "segm":
            rle = self.session.data.inputs.detections[detections.position[i]]["segmentation"]
        return {
            "class": self._table.class_names[detections.category[i]],
            "score": round(float(detections.score[i]), 4),
            "role": role,
            **_shape(rle, detections.box[i].tolist()),
        }


def _shape(rle: Optional[Mapping[str, Any]], box: Sequence[float]) -> Dict[str, Any]:
    """Outlines and box; without a mask the box alone."""
    polygons = [] if rle is None else outlines(rle, _TOLERANCE)
    return {"polygons": polygons, "box": [round(float(value), 2) for value in box]}


def _by_image(image: np.ndarray, count: int) -> List[np.ndarray]:
    """The positions of each picture; those of one picture are neighbours."""
    return np.split(np.arange(len(image)), np.searchsorted(image, np.arange(1, count)))
