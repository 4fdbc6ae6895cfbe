"""The objects of a whole annotation file as columns, the form in which the readers check them: `Objects`, and `Polygons` for their masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Optional

import numpy as np

from ..images.polygons import Polygons

BOX, NO_BOX, BAD_BOX, INFINITE_BOX = range(4)  # box_state
NO_MASK, POLYGONS, RLE = range(3)  # mask_kind


@dataclass
class Objects:
    """n objects in the file's order.

    picture: int64 [n], the position of an object's picture in the file's list of pictures; label: int64 [n] from 1; boxes: float64 [n, 4]
    x1, y1, x2, y2 in pixels, unchecked; box_state: int8 [n]; boxes_are_sizes: whether the file gives x, y, width, height;
    areas: float64 [n], NaN where the file has none (or nonsense), or None for a form without areas; crowd: bool [n]; ids: int64 [n];
    mask_kind: int8 [n]; polygons; rles: {row: RLE dict}, rle_box: {row: x1, y1, x2, y2 or None}, rle_area: {row: pixels};
    describe: (row, part of the annotation as in ".bbox") -> (place, image id, annotation id), for findings.
    """

    picture: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    box_state: np.ndarray
    areas: Optional[np.ndarray]
    crowd: np.ndarray
    ids: np.ndarray
    mask_kind: np.ndarray
    polygons: Polygons
    rles: Dict[int, dict]
    rle_box: Dict[int, tuple]
    rle_area: Dict[int, float]
    describe: Callable
    boxes_are_sizes: bool = False
