"""Pictures with their objects as all writers take them, and what a form cannot hold of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Tuple


class DataSetFacts(NamedTuple):
    """What is known of a whole data set before its first picture.

    Attributes:
        class_names: by label; the first is "background".
        category_ids: COCO's ids by label; the background has 0.
        has_masks: whether any object that is no crowd has a segmentation.
    """

    class_names: Tuple[str, ...]
    category_ids: Tuple[int, ...]
    has_masks: bool


@dataclass
class ObjectLabel:
    """One object of a picture.

    Attributes:
        label: its class, from 1.
        box: x1, y1, x2, y2 in pixels.
        segmentation: polygons (a list of flat float arrays x, y, x, y, ...), an RLE dict, or None.
        crowd: a group of objects.
        area: in pixels; None: the box's.
        annotation_id: None: the writer counts.
        score: of a detection.
    """

    label: int
    box: Tuple[float, float, float, float]
    segmentation: Any = None
    crowd: bool = False
    area: Optional[float] = None
    annotation_id: Optional[int] = None
    score: Optional[float] = None


@dataclass
class PictureLabels:
    """One picture.

    Attributes:
        image_id: its number.
        file_name: its name in the data set, with "/" between folders.
        width, height: in pixels.
        objects: what is in it.
        source_path: where the picture file is, if it is not beside what is written.
    """

    image_id: int
    file_name: str
    width: int
    height: int
    objects: List[ObjectLabel] = field(default_factory=list)
    source_path: Optional[str] = None


class Losses:
    """Counts of what a form cannot hold, for one line a kind."""

    def __init__(self) -> None:
        self._counts: Dict[str, int] = {}

    def add(self, text: str, count: int = 1) -> None:
        """Count something.

        Args:
            text: what; the line has the count before it.
            count: how many.
        """
        if count:
            self._counts[text] = self._counts.get(text, 0) + count

    def lines(self) -> List[str]:
        """A line for each kind."""
        return [f"{count:,} {text}" for text, count in self._counts.items()]
