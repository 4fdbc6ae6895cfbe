"""Data sets as one: their classes, their pictures' names and ids, and what each picture holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ...data.annotations.records import DataSource, Record
from ...data.forms.writers.picture_labels import DataSetFacts, Losses, ObjectLabel, PictureLabels
from ...data.sources.find_form import COCO
from ...errors import DataError
from .class_map import ClassMap, mapped_classes
from .reading import ReadSplit


class SourcePicture(NamedTuple):
    """A picture of one of the data sets.

    Attributes:
        source: the number of the data set.
        record: the picture and its objects.
    """

    source: int
    record: Record


class JoinedSources:
    """The pictures of one or several data sets, as one.

    Args:
        sources: the data sets, each split one.
        class_map: see `read_class_map`.
        embedded: the folder of pictures that were within label files.
        pools: whether the splits are given up: pictures are split anew.

    Attributes:
        sources: the data sets.
        facts: of all of them.
        pictures: all pictures, in the order of the data sets.

    Raises:
        ConfigError: the class map does not fit.
        DataError: there is no picture.
    """

    def __init__(self, sources: Sequence[ReadSplit], class_map: ClassMap, embedded: str, pools: bool):
        self.sources = [one.source for one in sources]
        self._embedded = os.path.abspath(embedded)
        self._bases = [
            one.source.folder if one.form == COCO else _common_folder(one.source) for one in sources
        ]
        names, self._label_maps = mapped_classes([one.class_names for one in self.sources], class_map)
        self.pictures: List[SourcePicture] = [
            SourcePicture(number, record)
            for number, source in enumerate(self.sources)
            for record in source.records
        ]
        if not self.pictures:
            raise DataError(f"{self.sources[0].annotation_file}: it has no picture that can be used")
        has_masks = any(source.has_masks for source in self.sources)
        self.facts = DataSetFacts(names, self._category_ids(names), has_masks)
        self._splits = [None if pools else one.split for one in sources]
        # Ids are kept where no other data set goes to the same split, and none is there twice.
        self._keeps_ids = [
            self._splits.count(split) == 1 and _are_unique(source.records)
            for split, source in zip(self._splits, self.sources)
        ]

    @property
    def split_names(self) -> List[Optional[str]]:
        """The splits that the data sets have; where only some have, the others are "train"."""
        names = list(dict.fromkeys(self._splits))
        return names if names == [None] else list(dict.fromkeys(name or "train" for name in self._splits))

    def own_splits(self) -> List[int]:
        """For each picture the position of its data set's split in `split_names`."""
        names = self.split_names
        of_source = [0 if names == [None] else names.index(split or "train") for split in self._splits]
        return [of_source[picture.source] for picture in self.pictures]

    def _category_ids(self, names: Tuple[str, ...]) -> Tuple[int, ...]:
        """Those of the data sets, where all have the same and classes are not changed; else the labels."""
        ids = self.sources[0].category_ids
        same = all((one.class_names, one.category_ids) == (names, ids) for one in self.sources)
        if same and None not in ids and len(set(ids)) == len(ids):
            return tuple(ids)
        return tuple(range(len(names)))

    def is_embedded(self, position: int) -> bool:
        """Whether a picture was within its label file."""
        return os.path.dirname(os.path.abspath(self.pictures[position].record.path)) == self._embedded

    def relative_name(self, position: int, stays: bool) -> str:
        """The name of a picture in its data set; its file name alone where it is elsewhere.

        COCO's names are kept. Those of other forms begin below the folder that holds all pictures of the
        split. A picture that was within its label file is called as that.

        Args:
            position: in `pictures`.
            stays: whether the picture is not moved. Its name begins below the data set's folder then.
        """
        number, record = self.pictures[position]
        if self.is_embedded(position):
            label_file = record.location.partition(": ")[0]
            return os.path.splitext(label_file)[0] + os.path.splitext(record.path)[1]
        base = self.sources[number].folder if stays else self._bases[number]
        name = os.path.relpath(record.path, base or ".")
        is_elsewhere = name.split(os.sep)[0] == os.pardir
        return os.path.basename(record.path) if is_elsewhere else Path(name).as_posix()

    def labels(self, position: int) -> List[int]:
        """The new label of each object of a picture; 0: left out by the class map."""
        number, record = self.pictures[position]
        return [self._label_maps[number][label] for label in record.labels.tolist()]

    def picture(self, position: int, file_name: str, keeps_crowds: bool, losses: Losses) -> PictureLabels:
        """A picture with its objects.

        Args:
            position: in `pictures`.
            file_name: its new name.
            keeps_crowds: without, crowds are left out.
            losses: what is left out is counted here.
        """
        number, record = self.pictures[position]
        keeps_ids = self._keeps_ids[number]
        image_id = record.image_id if keeps_ids else position + 1
        picture = PictureLabels(image_id, file_name, record.width, record.height)
        segmentations = record.segmentations or [None] * len(record.labels)
        for i, label in enumerate(self.labels(position)):
            if label == 0:
                name = self.sources[number].class_names[record.labels[i]]
                losses.add("objects of the class %s are left out, as --classes says" % name)
            elif record.crowd[i] and not keeps_crowds:
                losses.add("crowds are left out: the form cannot tell them from objects")
            else:
                picture.objects.append(
                    ObjectLabel(
                        label=label,
                        box=tuple(record.boxes[i].tolist()),
                        segmentation=segmentations[i],
                        crowd=bool(record.crowd[i]),
                        area=float(record.areas[i]),
                        annotation_id=int(record.annotation_ids[i]) if keeps_ids else None,
                    )
                )
        return picture


def _common_folder(source: DataSource) -> str:
    """The deepest folder that holds all pictures of a data set."""
    folders = {os.path.dirname(os.path.abspath(record.path)) for record in source.records}
    return os.path.commonpath(folders) if folders else source.folder


def _are_unique(records: Sequence[Record]) -> bool:
    """Whether no picture's id and no annotation's id is there twice."""
    pictures = {record.image_id for record in records}
    objects = {number for record in records for number in record.annotation_ids.tolist()}
    return len(pictures) == len(records) and len(objects) == sum(len(record.labels) for record in records)
