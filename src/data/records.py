"""What every reader of annotations gives: one `Record` a picture, together with the class names in one `DataSource`.

Everything after the readers (conversion, evaluation, drawing) sees these alone and no longer knows the file they came from.
"""
from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from src.errors import DataError

logger = logging.getLogger("maskrcnn.data")


@dataclass
class Record:
    """One picture and its objects; n is the number of objects, crowds included.

    image_id: the annotation file's id; path: the picture file; width, height: pixels of the displayed picture;
    boxes: float32 [n, 4] x1, y1, x2, y2 in pixels, within the picture; labels: int32 [n] from 1; crowd: bool [n], a group that is
    never a training target; annotation_ids: int64 [n]; areas: float32 [n] in pixels, as annotated;
    segmentations: a list of n items, each a list of polygons (flat float arrays x, y, x, y, ... in pixels), an RLE dict
    ({"size": [height, width], "counts": ...}, compressed or not) or None; or None where the data has no masks.
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


class Findings:
    """Counts what a reader mends or leaves out, with the first few places, so that each kind is said in one line."""

    def __init__(self, name):
        self.name = name
        self._places: Dict[str, List[str]] = {}
        self._counts: Dict[str, int] = {}

    def add(self, kind, place):
        """One more of a kind (in words, ending in what is done about it), at a place (an id or line)."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        places = self._places.setdefault(kind, [])
        if len(places) < 5:
            places.append(str(place))

    def lines(self):
        """A line a kind: the file, the count, the kind, the first places."""
        return [f"{self.name}: {count} x {kind} ({', '.join(self._places[kind])}{', ...' if count > len(self._places[kind]) else ''})"
                for kind, count in self._counts.items()]

    def report(self):
        """Log every line as a warning and return them."""
        lines = self.lines()
        for line in lines:
            logger.warning(line)
        return lines


def check_box(box, width, height):
    """A box x1, y1, x2, y2 (numbers, in pixels) clipped to a picture of width x height: (box or None, what was wrong or None).

    Boxes that are not finite, inverted, empty or wholly outside give None. Reaching out by up to a pixel is rounding, not a mistake,
    and is clipped without a word.
    """
    x1, y1, x2, y2 = box
    # written out and compared this way, because COCO has 860,000 boxes and because NaN fails every comparison
    if not (-1e9 < x1 < 1e9 and -1e9 < y1 < 1e9 and -1e9 < x2 < 1e9 and -1e9 < y2 < 1e9):
        return None, "box that is not finite, left out"
    if x2 <= x1 or y2 <= y1:
        return None, "box without area (zero or negative width or height), left out"
    if x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height:
        inside, problem = (x1, y1, x2, y2), None
    else:
        problem = "box reaching out of the picture, clipped" if max(-x1, -y1, x2 - width, y2 - height) > 1 else None
        inside = x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)
        if x2 <= x1 or y2 <= y1:
            return None, "box outside the picture, left out"
    # a sliver that float32, in which boxes are kept, would round to nothing
    if x2 - x1 <= 1e-6 * x2 or y2 - y1 <= 1e-6 * y2:
        return None, "box without area (zero or negative width or height), left out"
    return inside, problem


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


def picture_path(folder, file_name, place):
    """The path of a picture below its folder.

    Raises DataError naming the `place` for a name that is absolute or leads out of the folder: annotation files come from strangers.
    """
    if os.path.isabs(file_name) or os.path.normpath(file_name).split(os.sep)[0] == ".." or "\0" in file_name:
        raise DataError(f"{place}: the picture name '{file_name}' leads out of the picture folder {folder}; write names relative to it")
    return os.path.join(folder, file_name)


def read_bytes(path, what):
    """A file's bytes; DataError naming what it is, and where, if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from None


def make_record(image_id, path, width, height, objects, has_masks):
    """A Record from a list of (box, label, crowd, annotation id, area, segmentation or None)."""
    count = len(objects)
    columns = list(zip(*objects)) if objects else [()] * 6
    return Record(
        image_id, path, width, height,
        np.array(columns[0], np.float32).reshape(count, 4), np.array(columns[1], np.int32), np.array(columns[2], bool),
        np.array(columns[3], np.int64), np.array(columns[4], np.float32), list(columns[5]) if has_masks else None)
