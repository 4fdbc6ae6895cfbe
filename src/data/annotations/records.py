"""What every reader of annotations returns: one `Record` for each picture, all of them in one `DataSource`.

The code after the readers (conversion, evaluation, drawing) uses these only, whatever the file's format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Collection, List, NamedTuple, Optional, Tuple

import numpy as np


class TrainingSelection(NamedTuple):
    """What training takes of the data; crowds are never taken.

    Attributes:
        max_instance_count: the most objects of a picture; the largest are taken.
        keep_empty: whether pictures without objects are taken.
    """

    max_instance_count: int
    keep_empty: bool


@dataclass
class Record:
    """One picture and its n objects, crowds included.

    Attributes:
        image_id: the annotation file's id.
        path: the picture file.
        width, height: pixels of the displayed picture.
        boxes: float64 [n, 4], x1, y1, x2, y2 in pixels, within the picture.
        labels: int32 [n], from 1.
        crowd: bool [n], a group of objects, which is never a training target.
        annotation_ids: int64 [n].
        areas: float64 [n] in pixels, as annotated.
        segmentations: None where the data has no masks. Else a list of n items, each one of
            a list of polygons (float arrays x, y, x, y, ... in pixels),
            an RLE dict {"size": [height, width], "counts": ...} (compressed or not), or None.
        location: where the annotation file lists the picture.
    """

    image_id: int
    path: str
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    annotation_ids: np.ndarray
    areas: np.ndarray
    segmentations: Optional[List[Any]] = None
    location: str = ""


@dataclass
class DataSource:
    """All pictures of one annotation file.

    Attributes:
        annotation_file: path of the file.
        folder: where its pictures are.
        records: one for each usable picture, in the file's order.
        class_names: the names by label; label 0 is "background".
        category_ids: the file's own ids of the classes by label. The background has 0,
            a class that the file does not list has None.
        has_masks: whether every object that is not a crowd has a segmentation.
        has_annotations: False for a file without any, as that of COCO's test-dev.
        digest: sha256 of the annotation file's bytes, in hexadecimal.
        notes: what was clipped, corrected or left out, a line for each kind.
        left_out: the ids of the file's pictures that cannot be used and are not among the records.
        annotation_bytes: the size of the annotation file, or of all label files.
    """

    annotation_file: str
    folder: str
    records: List[Record]
    class_names: Tuple[str, ...]
    category_ids: Tuple[Optional[int], ...]
    has_masks: bool
    has_annotations: bool
    digest: str
    notes: List[str] = field(default_factory=list)
    left_out: List[int] = field(default_factory=list)
    annotation_bytes: int = 0

    def leave_out(self, image_ids: Collection[int]) -> None:
        """Take pictures that cannot be used out of the records."""
        unusable = set(image_ids)
        self.left_out += [record.image_id for record in self.records if record.image_id in unusable]
        self.records = [record for record in self.records if record.image_id not in unusable]
