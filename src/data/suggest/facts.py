"""What the suggestions are made from: the figures of a data set, and what it is to be trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple

import numpy as np

from ..check.statistics import ObjectMeasurements

_MEASURED_PICTURES = 2000  # the demo has 1,710 with objects, of 4 classes; the nuclei are 70, of one
_MEASURED_CLASSES = 4
_SAMPLE = 4000  # pictures or objects that are enough for shares and quantiles


@dataclass(frozen=True)
class DataFacts:
    """The training pictures (P of them) and their n objects, crowds left out.

    Attributes:
        picture_sizes: float64 [P, 2], height and width in pixels.
        objects_per_picture: int64 [P].
        boxes: float64 [n, 4], x1, y1, x2, y2 in pixels of the picture.
        picture_index: int64 [n], the picture of each object.
        class_objects: {class name: number of objects}, of every class, those without objects too.
        empty_pictures: how many further pictures are left out, as they have no object.
        has_masks: whether the objects have masks, not boxes alone.
    """

    picture_sizes: np.ndarray
    objects_per_picture: np.ndarray
    boxes: np.ndarray
    picture_index: np.ndarray
    class_objects: Dict[str, int]
    empty_pictures: int
    has_masks: bool

    @property
    def pictures(self) -> int:
        return len(self.picture_sizes)

    @property
    def objects(self) -> int:
        return len(self.boxes)

    @property
    def classes(self) -> int:
        """How many classes have objects."""
        return sum(count > 0 for count in self.class_objects.values())

    @property
    def is_like_measured(self) -> bool:
        """Whether the data are about as many as the small recipes' (docs/results.md)."""
        return self.pictures <= _MEASURED_PICTURES and self.classes <= _MEASURED_CLASSES

    def canvas_sides(self, width: int, height: int) -> np.ndarray:
        """The root of each box's area in pixels of a canvas that the pictures are fitted to, float64 [n]."""
        sides = np.sqrt((self.boxes[:, 2:] - self.boxes[:, :2]).prod(1))
        return sides * fitting_scale(self.picture_sizes, width, height)[self.picture_index]

    def objects_quantile(self, share: float) -> float:
        """The quantile of the number of objects in a picture."""
        return float(np.quantile(self.objects_per_picture, share))


@dataclass(frozen=True)
class TrainingTarget:
    """What the suggestions are for.

    Attributes:
        device: "CPU" or "Ascend".
        weights: the file of weights to start from; None: from scratch.
        anchor_scales, anchor_ratios: of these weights, which fix them.
        validation: the annotation file of the evaluation split; None where there is none.
    """

    device: str = "CPU"
    weights: Optional[str] = None
    anchor_scales: Tuple[float, ...] = (8.0,)
    anchor_ratios: Tuple[float, ...] = (0.5, 1.0, 2.0)
    validation: Optional[str] = None


def data_facts(
    objects: ObjectMeasurements, class_names: Sequence[str], has_masks: bool, keep_empty: bool = False
) -> DataFacts:
    """The facts of measured objects.

    Args:
        objects: of the training split.
        class_names: by label; label 0 is the background.
        has_masks: whether the objects have masks.
        keep_empty: whether pictures without objects are trained on, too.
    """
    is_taken = (objects.objects_per_picture > 0) | keep_empty
    position = np.cumsum(is_taken) - 1  # of a picture among those that are taken
    counts = np.bincount(objects.labels, minlength=len(class_names))
    return DataFacts(
        picture_sizes=objects.picture_sizes[is_taken].astype(np.float64),
        objects_per_picture=objects.objects_per_picture[is_taken],
        boxes=objects.boxes,
        picture_index=position[objects.picture_index],
        class_objects={name: int(counts[label]) for label, name in enumerate(class_names) if label},
        empty_pictures=int((~is_taken).sum()),
        has_masks=has_masks,
    )


def fitting_scale(picture_sizes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The factor by which pictures of these sizes, [P, 2] (height, width), are resized to fit a canvas."""
    return np.minimum(width / picture_sizes[:, 1], height / picture_sizes[:, 0])


def evenly_chosen(values: np.ndarray, most: int = _SAMPLE) -> np.ndarray:
    """`values`, or `most` of them at even distances."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]
