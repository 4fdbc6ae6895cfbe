"""The match table: every detection and every object with its partner, by COCO's rule.

All figures of a detailed evaluation come from it, so that they agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from ..coco_metrics import class_labels
from ..coco_settings import CocoSettings
from ..inputs import EvaluationInputs
from .columns import DetectionColumns, ObjectColumns, make_columns
from .greedy import greedy_partners
from .overlaps import Overlaps, find_overlaps

# An overlap under it is none: Bolya et al., "TIDE", 2020.
BACKGROUND_IOU = 0.1
ALL_SIZES = 0  # the position of the area range that holds every object


@dataclass(frozen=True)
class MatchTable:
    """Detections [D] and objects [G] of one kind with their partners, for area ranges [A] and thresholds [T].

    Attributes:
        kind: "bbox" or "segm".
        image_ids, category_ids: what the columns' `image` and `category` are positions in.
        class_names: by category.
        settings: IoU thresholds [T], numbers of detections, area ranges [A]; the first range is all sizes.
        objects, detections: the columns.
        overlaps: the pairs with an IoU of at least BACKGROUND_IOU (or the lowest threshold), of all classes.
        partner: int32 [A, T, D], the object that a detection is assigned to, or -1.
        ignored: bool [A, T, D], neither true nor false: assigned to an ignored object, or without an object
            and of an area out of the range; and what is beyond the number of detections.
        object_ignored: bool [A, G], crowds, and objects of an area out of the range.
    """

    kind: str
    image_ids: Sequence[Any]
    category_ids: Sequence[Any]
    class_names: Sequence[str]
    settings: CocoSettings
    objects: ObjectColumns
    detections: DetectionColumns
    overlaps: Overlaps
    partner: np.ndarray
    ignored: np.ndarray
    object_ignored: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        """bool [D], within the number of detections of an image and class that count."""
        return self.detections.rank < self.settings.max_dets[-1]

    @property
    def reference(self) -> int:
        """The position of the threshold 0.5, or 0 where it is not among the settings."""
        return int(np.isclose(self.settings.iou_thresholds, 0.5).argmax())

    def is_true(self, threshold: int, area: int = ALL_SIZES) -> np.ndarray:
        """bool [D], a true positive at a threshold (its position)."""
        return (self.partner[area, threshold] >= 0) & ~self.ignored[area, threshold]

    def is_false(self, threshold: int, area: int = ALL_SIZES) -> np.ndarray:
        """bool [D], a false positive at a threshold (its position)."""
        return (self.partner[area, threshold] < 0) & ~self.ignored[area, threshold]

    def object_partner(self, threshold: int, area: int = ALL_SIZES) -> np.ndarray:
        """int64 [G], the detection that is assigned to an object, or -1; of a crowd's, the best."""
        partner = np.full(len(self.objects), -1, np.int64)
        assigned = np.flatnonzero(self.partner[area, threshold] >= 0)[::-1]
        partner[self.partner[area, threshold][assigned]] = assigned
        return partner

    def object_counts(self, area: int = ALL_SIZES) -> np.ndarray:
        """int64 [K], objects a class that are not ignored."""
        counted = self.objects.category[~self.object_ignored[area]]
        return np.bincount(counted, minlength=len(self.category_ids))

    def partner_iou(self, threshold: int, area: int = ALL_SIZES) -> np.ndarray:
        """float64 [D], the IoU of a detection with its partner; 0 without one."""
        iou = np.zeros(len(self.detections))
        is_pair = self.partner[area, threshold][self.overlaps.detection] == self.overlaps.object
        iou[self.overlaps.detection[is_pair]] = self.overlaps.iou[is_pair]
        return iou


def make_match_table(inputs: EvaluationInputs, settings: CocoSettings) -> MatchTable:
    """The match table of an evaluation's inputs."""
    objects, detections = make_columns(inputs)
    lowest = min(BACKGROUND_IOU, *settings.iou_thresholds)
    overlaps = find_overlaps(inputs, detections, objects, settings.max_dets[-1], lowest)
    limits = np.array(list(settings.area_ranges.values()))
    object_ignored = objects.crowd | _is_outside(objects.area, limits)
    same_class = detections.category[overlaps.detection] == objects.category[overlaps.object]
    partner = greedy_partners(
        overlaps.at(same_class),
        turn=np.arange(len(detections)),
        group=detections.image.astype(np.int64) * len(inputs.category_ids) + detections.category,
        thresholds=settings.iou_thresholds,
        ignored=object_ignored,
        reusable=objects.crowd,
    )
    return MatchTable(
        kind=inputs.truth.kind,
        image_ids=inputs.image_ids,
        category_ids=inputs.category_ids,
        class_names=class_labels(inputs.truth, inputs.category_ids),
        settings=settings,
        objects=objects,
        detections=detections,
        overlaps=overlaps,
        partner=partner,
        ignored=_ignored(partner, object_ignored, detections, limits, settings.max_dets[-1]),
        object_ignored=object_ignored,
    )


def _is_outside(area: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """bool [A, N], whether an area is out of a range; the limits [A, 2] belong to it."""
    return (area < limits[:, :1]) | (area > limits[:, 1:])


def _ignored(partner, object_ignored, detections, limits, max_dets) -> np.ndarray:
    is_outside = _is_outside(detections.area, limits) | (detections.rank >= max_dets)
    ignored = np.empty(partner.shape, bool)
    for area in range(len(partner)):
        assigned = partner[area] >= 0
        ignored[area] = is_outside[area]
        ignored[area][assigned] = object_ignored[area][partner[area][assigned]]
    return ignored
