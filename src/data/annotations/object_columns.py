"""The objects of a whole annotation file as columns: the form in which both readers have them checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from ..findings import Findings
from ..images.polygons import Polygons

BOX, NO_BOX, BAD_BOX, INFINITE_BOX = range(4)  # values of box_state
NO_MASK, POLYGONS, RLE, BAD_MASK = range(4)  # values of mask_kind


class RleMask(NamedTuple):
    """A mask given as RLE.

    Attributes:
        rle: {"size": [height, width], "counts": compressed text}.
        box: x1, y1, x2, y2 around its pixels; None for a mask without a pixel.
        area: number of pixels.
    """

    rle: dict
    box: Optional[Tuple[float, float, float, float]]
    area: float


class ObjectPictures(NamedTuple):
    """The picture of each of n objects.

    Attributes:
        valid: bool [n], whether it can be used.
        width, height: float64 [n] in pixels.
    """

    valid: np.ndarray
    width: np.ndarray
    height: np.ndarray


class MaskExtents(NamedTuple):
    """What the masks of n objects cover.

    Attributes:
        boxes: float64 [n, 4], x1, y1, x2, y2 around each mask; NaN where there is none.
        areas: float64 [n] in pixels.
        has_mask: bool [n], whether the object has a usable mask.
    """

    boxes: np.ndarray
    areas: np.ndarray
    has_mask: np.ndarray


@dataclass
class ObjectColumns:
    """n objects in the file's order.

    Attributes:
        picture_index: int64 [n], position of an object's picture in the file's list of pictures.
        labels: int64 [n], from 1.
        boxes: float64 [n, 4], x1, y1, x2, y2 in pixels, unchecked.
        box_state: int8 [n], one of BOX, NO_BOX, BAD_BOX, INFINITE_BOX.
        areas: float64 [n], NaN where the file has none or an unusable one. None for a format without areas.
        crowd: bool [n].
        annotation_ids: int64 [n].
        mask_kind: int8 [n], one of NO_MASK, POLYGONS, RLE, BAD_MASK (a segmentation that cannot be read).
        polygons: the polygons of the objects that have some.
        rles: {row: RleMask} of the objects with RLE.
        describe: for findings: (row, part of the annotation, as ".bbox") ->
            (location, image id, annotation id).
        boxes_are_sizes: whether the file gives x, y, width, height.
        has_own_boxes: whether the format has boxes besides masks: one that is missing is a finding then.
        bad_masks: {row: the segmentation as written, shortened} of the first objects with BAD_MASK.
    """

    picture_index: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    box_state: np.ndarray
    areas: Optional[np.ndarray]
    crowd: np.ndarray
    annotation_ids: np.ndarray
    mask_kind: np.ndarray
    polygons: Polygons
    rles: Dict[int, RleMask]
    describe: Callable[[int, str], Tuple[str, Optional[int], Optional[int]]]
    boxes_are_sizes: bool = False
    has_own_boxes: bool = True
    bad_masks: Dict[int, str] = field(default_factory=dict)

    def forget_masks(self) -> None:
        """Take the masks away: what is left are boxes."""
        self.mask_kind = np.full(len(self.labels), NO_MASK, np.int8)
        self.polygons = self.polygons.select(np.zeros(len(self.polygons), bool))
        self.rles = {}
        self.bad_masks = {}

    def add_findings(
        self,
        findings: Findings,
        kind: str,
        mask: np.ndarray,
        part: str,
        detail: Optional[Callable[[int], str]] = None,
    ) -> None:
        """Add a finding for each object where mask (bool [n]) is true; detail: row -> its text."""
        rows = np.flatnonzero(mask)
        if len(rows):
            findings.add_rows(
                kind, rows, lambda row: (*self.describe(row, part), detail(row) if detail else "")
            )
