"""What every reader of annotations gives: one `Record` a picture, together with the class names in one `DataSource`.

Everything after the readers (conversion, evaluation, drawing) sees these alone and no longer knows the file they came from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from ...errors import DataError


@dataclass
class Record:
    """One picture and its objects; n is the number of objects, crowds included.

    image_id: the annotation file's id; path: the picture file; width, height: pixels of the displayed picture;
    boxes: float32 [n, 4] x1, y1, x2, y2 in pixels, within the picture; labels: int32 [n] from 1; crowd: bool [n], a group that is
    never a training target; annotation_ids: int64 [n]; areas: float32 [n] in pixels, as annotated;
    segmentations: a list of n items, each a list of polygons (flat float arrays x, y, x, y, ... in pixels), an RLE dict
    ({"size": [height, width], "counts": ...}, compressed or not) or None; or None where the data has no masks;
    place: where the annotation file lists the picture.
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
    place: str = ""


@dataclass
class DataSource:
    """All pictures of one annotation file.

    name: the annotation file; folder: where its pictures are; class_names: "background" first; category_ids: category_ids[label] is
    the file's own id of a class (entry 0 stands for the background and is 0; a class that the file does not list has None);
    has_masks: whether every object that is not a crowd has a segmentation; has_annotations: False for a file without any (test-dev);
    digest: sha256 of the annotation file's bytes, in hex; notes: what was clipped or left out, a line each.
    """

    name: str
    folder: str
    records: List[Record]
    class_names: Tuple[str, ...]
    category_ids: Tuple[Optional[int], ...]
    has_masks: bool
    has_annotations: bool
    digest: str
    notes: List[str] = field(default_factory=list)


def check_polygon(polygon, width, height):
    """A polygon (flat list x, y, x, y, ... in pixels) as a float32 array, or None if it cannot be one.

    It needs three finite points. One that runs farther out than the picture is wide is a mistake in units or axes, and would take
    its rasteriser any amount of memory.
    """
    if not isinstance(polygon, (list, tuple, np.ndarray)) or len(polygon) < 6 or len(polygon) % 2:
        return None
    try:
        points = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if points.ndim != 1:
        return None
    reach = max(width, height)
    # a comparison with NaN is false, so NaN fails here too
    if not (points.min() >= -reach and points.max() <= 2 * reach):
        return None
    return points.astype(np.float32)


def leads_out(file_name):
    """Whether a picture's name is absolute or leads out of its folder: annotation files come from strangers."""
    return (
        os.path.isabs(file_name) or os.path.normpath(file_name).split(os.sep)[0] == ".." or "\0" in file_name
    )


def read_bytes(path, what):
    """A file's bytes; DataError naming what it is, and where, if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from None
