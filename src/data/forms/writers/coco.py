"""COCO JSON (https://cocodataset.org/#format-data), written picture by picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np

from ....whole_files import WholeFile
from .picture_labels import DataSetFacts, Losses, ObjectLabel, PictureLabels
from .spool import Spool
from .target import SplitWriter, Target


class CocoFile(SplitWriter):
    """A COCO JSON that grows in the file and never in memory.

    The list of annotations follows that of the pictures: it is written to a second file first. Both are
    joined on closing, and after an error nothing is left.

    Args:
        path: the file.
        facts: the classes.

    Raises:
        DataError: the file cannot be written; so do the methods.
    """

    def __init__(self, path: Union[str, Path], facts: DataSetFacts):
        self._file = WholeFile(path)
        self._category_ids = facts.category_ids
        self._annotations = Spool(self._file.path)
        self._pictures = 0
        self._objects = 0
        categories = [
            {"id": number, "name": name, "supercategory": ""}
            for name, number in zip(facts.class_names[1:], facts.category_ids[1:])
        ]
        head = json.dumps({"info": {}, "licenses": [], "categories": categories}, ensure_ascii=False)
        self._file.write(head[:-1] + ',\n"images": [')

    def add(self, picture: PictureLabels) -> None:
        """Write a picture and its objects. Objects without an annotation_id are counted from 1."""
        image = {
            "id": picture.image_id,
            "file_name": picture.file_name,
            "width": picture.width,
            "height": picture.height,
        }
        self._file.write((",\n" if self._pictures else "\n") + json.dumps(image, ensure_ascii=False))
        self._pictures += 1
        lines = []
        for one in picture.objects:
            self._objects += 1
            lines.append(json.dumps(self._annotation(picture, one)))
        if lines:
            start = "\n" if self._objects == len(lines) else ",\n"
            self._annotations.write(start + ",\n".join(lines))

    def _annotation(self, picture: PictureLabels, one: ObjectLabel) -> Dict[str, Any]:
        x1, y1, x2, y2 = one.box
        width = round(x2 - x1, 6)
        height = round(y2 - y1, 6)
        annotation = {
            "id": self._objects if one.annotation_id is None else one.annotation_id,
            "image_id": picture.image_id,
            "category_id": self._category_ids[one.label],
            "bbox": [round(x1, 6), round(y1, 6), width, height],
            "area": round(width * height if one.area is None else one.area, 4),
            "iscrowd": int(one.crowd),
            "segmentation": _segmentation(one.segmentation),
        }
        if one.score is not None:
            annotation["score"] = round(one.score, 6)
        return annotation

    def __exit__(self, *error) -> None:
        with self._annotations:
            if error[0] is not None:
                self._file.__exit__(*error)
                return
            with self._file:
                self._file.write('\n],\n"annotations": [')
                self._annotations.copy_to(self._file)
                self._file.write("\n]}\n")


def _segmentation(segmentation: Any) -> Any:
    if isinstance(segmentation, dict):
        return segmentation
    return [np.asarray(polygon).tolist() for polygon in segmentation or ()]


class CocoTarget(Target):
    """annotations/instances_SPLIT.json, and the pictures in SPLIT."""

    name = "coco"
    keeps_crowds = True

    def open_split(self, out: Path, split: Optional[str], facts: DataSetFacts, losses: Losses) -> CocoFile:
        return CocoFile(out / "annotations" / f"instances_{split or 'train'}.json", facts)

    def use(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> List[str]:
        words = [f"python train.py coco_root={out} coco_classes=auto train_data_type={splits[0] or 'train'}"]
        if len(splits) > 1:
            words.append(f"val_data_type={splits[1]}")
        return [" ".join(words)]
