"""What a reader of a labelling tool's form gives: pictures with their objects, one picture after another.

A form is the kind of files that a labelling tool writes. Its reader knows nothing of classes' numbers, checks
or records: `collect.py` makes those of what the reader gives, with the checks of COCO files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..findings import Findings
from .listing import Listing


class PartMask(NamedTuple):
    """The pixels of an object within a part of its picture.

    Attributes:
        left, top: where the part begins in the picture, in whole pixels; it may reach out of the picture.
        pixels: bool [h, w].
    """

    left: int
    top: int
    pixels: np.ndarray


class JoinedParts(NamedTuple):
    """An object of several parts: every pixel of any of them.

    Attributes:
        polygons: lists x, y, x, y, ... in pixels.
        masks: the others.
    """

    polygons: List[List[float]]
    masks: List[PartMask]


class LabelledObject(NamedTuple):
    """One object as its file has it, unchecked.

    Attributes:
        class_name: as written.
        box: x1, y1, x2, y2 in pixels; None: the box around the mask.
        segmentation: as COCO has it: a list of polygons [x, y, x, y, ...] in pixels, an RLE dict, or None; or
            a PartMask or JoinedParts. A polygon covers what COCO draws for it.
        place: within the picture's label file, as "shapes[3]" or "line 7"; for findings.
        crowd: whether it is a group of objects, which is never a training target.
        is_box: whether its segmentation is no more than its box. Where all objects of the data are boxes,
            the data has no masks.
    """

    class_name: str
    box: Optional[Tuple[float, float, float, float]]
    segmentation: Any
    place: str
    crowd: bool = False
    is_box: bool = False


class LabelledPicture(NamedTuple):
    """One picture and its objects.

    Attributes:
        path: of the picture file, as `PictureFinder.find` returns it; "" for one that was not found, with a
            finding. Its objects are left out then.
        size: (width, height) in pixels as the label file has it; None: read from the picture.
        objects: its objects.
        place: the label file, relative to the source, and where in it the picture is; for findings.
    """

    path: str
    size: Optional[Tuple[Any, Any]]
    objects: List[LabelledObject]
    place: str


class FormSource(NamedTuple):
    """Where a split's labels are.

    Attributes:
        root: the folder or the file.
        pictures: a folder with the pictures; None: they are where the form has them.
        split: the split's name as the form has it; None: all of the source.
        embedded: the folder into which pictures within label files are written.
        class_name: the class of objects to which the form gives none: the only one that is wanted; None:
            there are more, or it is not known.
    """

    root: Path
    pictures: Optional[Path]
    split: Optional[str]
    embedded: Path
    class_name: Optional[str] = None


def no_splits(listing: Listing) -> List[str]:
    """For a form whose files name no splits. Folders called train, val and the like are splits then."""
    return []


class Form(NamedTuple):
    """A form of labels.

    Attributes:
        name: as the key `dataset` has it.
        title: as messages have it: the tool's name.
        find: a Listing of a folder or file -> the label files that show that it has this form, as many as are
            looked at; an empty list: it has not. Reads little: names, and the first bytes of some files.
        files: a source -> the label files of its split, in the order in which they are read.
            A change of any of them means other data.
        read: a source and Findings -> its pictures, in order.
        splits: a Listing -> the names of the splits that its own files name.
        class_names: a source and Findings -> the names in the form's own order; None: sorted by name.
    """

    name: str
    title: str
    find: Callable[[Listing], Sequence[Path]]
    files: Callable[[FormSource], List[Path]]
    read: Callable[[FormSource, Findings], Iterator[LabelledPicture]]
    splits: Callable[[Listing], List[str]] = no_splits
    class_names: Callable[[FormSource, Findings], Optional[List[str]]] = lambda source, findings: None
