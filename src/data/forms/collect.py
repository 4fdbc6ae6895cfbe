"""From what a form's reader gives to a DataSource, with the checks that COCO files get."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional

from ..annotations.annotation_file import AUTO, AnnotationSettings
from ..annotations.coco_columns import AnnotationCollector
from ..annotations.coco_objects import annotation_objects
from ..annotations.mending.class_names import match_class_names
from ..annotations.object_checks import checked_records
from ..annotations.picture_folder import PictureEntry, PictureFolder
from ..annotations.records import DataSource
from ..findings import Findings, short
from .items import JoinedParts, LabelledObject, LabelledPicture, PartMask
from .part_masks import picture_rle

_CHUNK = 5_000  # objects that are handed on at once
BACKGROUND = "background"


@dataclass
class _Collected:
    """What was read so far.

    Attributes:
        pictures: the PictureEntries; width 0 for a picture that cannot be used.
        ids: {class name: its number from 1, by first appearance}.
        picture_of, place_of: of each object, the picture's position and the place within its label file.
        all_boxes: whether no object's segmentation is more than its box.
        boxes_among_masks: the objects whose segmentation is no more than their box.
    """

    pictures: List[PictureEntry] = field(default_factory=list)
    ids: Dict[str, int] = field(default_factory=dict)
    picture_of: List[int] = field(default_factory=list)
    place_of: List[str] = field(default_factory=list)
    all_boxes: bool = True
    boxes_among_masks: List[int] = field(default_factory=list)

    def place(self, index: int) -> str:
        """Where an object is, for findings."""
        return f"{self.pictures[self.picture_of[index]].location}: {self.place_of[index]}"


def collect_form(
    pictures: Iterable[LabelledPicture],
    class_names: Optional[List[str]],
    settings: AnnotationSettings,
    findings: Findings,
) -> DataSource:
    """Check what a reader gives and sort it into records.

    Image ids and annotation ids are counted from 1 in the reader's order.

    Args:
        pictures: of the reader.
        class_names: the form's own, without a background; None: those that occur, sorted.
        settings: the class names that are wanted. `path` and `folder` are only passed on.
        findings: what is left out or corrected is added here.

    Returns:
        The DataSource, without digest and size.

    Raises:
        DataError: the data cannot be used, unless findings are collected.
    """
    read = _Collected()
    annotations = AnnotationCollector(findings, read.place)
    chunk: List[dict] = []
    folder = PictureFolder(settings.folder, findings, "image")
    for picture in pictures:
        _add_picture(picture, read, folder)
        for item in picture.objects:
            chunk.append(_as_coco(item, read))
            if len(chunk) == _CHUNK:
                annotations.add(len(read.place_of) - len(chunk), chunk)
                chunk = []
    if chunk:
        annotations.add(len(read.place_of) - len(chunk), chunk)
    if not read.pictures:
        findings.fail("file_form", "", "no labelled picture")
    return _source(read, annotations, class_names, settings, findings)


def _add_picture(picture, read, folder):
    """Add a picture; a size that its label file lacks is read from the picture."""
    image_id = len(read.pictures) + 1
    width, height = picture.size or (None, None)
    if not picture.path:
        width, height = 0, 0
    elif not _is_size(width, height):
        height, width = folder.size(picture.path, picture.place, image_id) or (0, 0)
    read.pictures.append(PictureEntry(image_id, picture.path, int(width), int(height), picture.place))


def _is_size(width, height):
    return type(width) is int and type(height) is int and width > 0 and height > 0 and width * height <= 2**30


def _as_coco(item: LabelledObject, read: _Collected) -> dict:
    """An object as COCO's annotation. Its bbox has corners, see `annotation_objects`."""
    number = len(read.place_of)
    read.picture_of.append(len(read.pictures) - 1)
    read.place_of.append(sys.intern(item.place))
    if item.is_box:
        read.boxes_among_masks.append(number)
    else:
        read.all_boxes = False
    name = item.class_name.strip()
    segmentation = item.segmentation
    if isinstance(segmentation, (PartMask, JoinedParts)):
        picture = read.pictures[-1]
        segmentation = picture_rle(segmentation, picture.width, picture.height) if picture.width else None
    return {
        "id": number + 1,
        "image_id": read.pictures[-1].image_id,
        "category_id": read.ids.setdefault(name, len(read.ids) + 1),
        "bbox": None if item.box is None else list(item.box),
        "segmentation": segmentation,
        "iscrowd": int(item.crowd),
    }


def _source(read, annotations, class_names, settings, findings):
    """The DataSource of all that was read."""
    found = {name: read.ids[name] for name in sorted(read.ids)}
    if class_names is not None:
        # a class without an object has no number so far
        listed = {name: read.ids.get(name, -position) for position, name in enumerate(class_names, 1)}
        for name in sorted(set(found) - set(listed)):
            findings.add("category_unlisted", "", detail=f"the class {short(name)} is not in the form's list")
        found = {**listed, **{name: read.ids[name] for name in found if name not in listed}}
    left_out = {}
    background = found.pop(BACKGROUND, None)
    if background is not None:
        left_out[background] = "annotation_background"
    if not found:
        findings.fail("file_form", "", "no object with a class")
    for name in found:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            # no file could be written with it
            detail = f"the class {short(name)} has half of a surrogate pair, which is no letter"
            findings.add("category_form", "", detail=detail)
    names = (BACKGROUND, *found)
    if settings.class_names != AUTO:
        all_found = found
        found, names = match_class_names(found, settings.class_names, findings, settings.class_use)
        for number in set(all_found.values()) - set(found.values()):
            left_out[number] = "annotation_not_common"
    labels = {found[name]: label for label, name in enumerate(names) if name in found}
    image_ids = [picture.image_id for picture in read.pictures]
    objects = annotation_objects(
        annotations.columns(), image_ids, labels, left_out, findings, boxes_are_sizes=False
    )
    # The form has no boxes besides its masks, and no areas: neither is missing.
    objects.areas = None
    objects.has_own_boxes = False
    if read.all_boxes:
        objects.forget_masks()
    elif read.boxes_among_masks:
        rows = read.boxes_among_masks
        findings.add_rows("box_as_mask", rows, lambda index: (read.place(index), None, None, ""))
    records, has_masks = checked_records(objects, read.pictures, findings)
    return DataSource(
        annotation_file=str(settings.path),
        folder=str(settings.folder),
        records=records,
        class_names=names,
        category_ids=(0, *(label if name in found else None for label, name in enumerate(names[1:], 1))),
        has_masks=has_masks,
        has_annotations=True,
        digest="",
        left_out=[picture.image_id for picture in read.pictures if not picture.width],
    )
