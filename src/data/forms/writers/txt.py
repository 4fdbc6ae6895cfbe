"""The txt form of dataset=other: a row a picture (src/data/annotations/txt_rows.py describes it)."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np

from ....whole_files import WholeFile
from .mask_outlines import union_polygons
from .picture_labels import DataSetFacts, Losses, ObjectLabel, PictureLabels
from .target import SplitWriter, Target

_WITHOUT = "objects without a mask are left out: in a txt file all have masks, or none"


class _TxtFile(SplitWriter):
    """Rows NAME x1,y1,x2,y2,class;x,y,x,y,... of a split.

    Args:
        path: the file.
        folder: the pictures' folder, relative to IMAGE_DIR.
        has_masks: whether objects without a mask are left out.
        losses: objects that are left out are counted here.
    """

    def __init__(self, path: Path, folder: str, has_masks: bool, losses: Losses):
        self._file = WholeFile(path)
        self._folder = folder
        self._losses = losses
        self._has_masks = has_masks

    def add(self, picture: PictureLabels) -> None:
        words = [f"{self._folder}{picture.file_name}"]
        for one in picture.objects:
            polygons = union_polygons(one.segmentation) if one.segmentation else []
            if self._has_masks and not polygons:
                self._losses.add(_WITHOUT)
            else:
                words.append(self._word(one, polygons))
        self._file.write(" ".join(words) + "\n")

    def _word(self, one: ObjectLabel, polygons: List[np.ndarray]) -> str:
        box = ",".join([*map(_number, one.box), str(one.label)])
        return ";".join([box, *(",".join(map(_number, polygon.tolist())) for polygon in polygons)])

    def __exit__(self, *error) -> None:
        self._file.__exit__(*error)


def _number(value: float) -> str:
    """A number with six decimals at most."""
    text = repr(round(value, 6))
    return text[:-2] if text.endswith(".0") else text


class TxtTarget(Target):
    """SPLIT.txt, the pictures in SPLIT, and classes.txt with a class a line."""

    name = "txt"
    forbidden = ",\t\r\n"

    def open_split(self, out: Path, split: Optional[str], facts: DataSetFacts, losses: Losses) -> SplitWriter:
        return _TxtFile(
            out / f"{split or 'train'}.txt", f"{self.picture_folder(split)}/", facts.has_masks, losses
        )

    def finish(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> None:
        with WholeFile(out / "classes.txt") as file:
            file.write("".join(f"{name}\n" for name in facts.class_names[1:]))

    def use(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> List[str]:
        path = out / f"{splits[0] or 'train'}.txt"
        return [f"python train.py dataset=other IMAGE_DIR={out} ANNO_PATH={path} coco_classes=auto"]
