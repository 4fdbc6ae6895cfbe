"""Ultralytics' YOLO form: data.yaml, images/SPLIT, and labels/SPLIT with a txt file a picture.

https://docs.ultralytics.com/datasets/segment/: a row is the class from 0 and one polygon, or the class and
a box as centre, width and height; all are shares of the picture's width and height.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np
import yaml

from ....whole_files import WholeFile
from .clipping import clipped_polygon
from .mask_outlines import single_polygon
from .picture_labels import DataSetFacts, Losses, ObjectLabel, PictureLabels
from .target import SplitWriter, Target

# Added to coordinates before they are divided. COCO's rule rounds halves of fifths of a pixel up: what lies
# on such a half would fall below it by the rounding of a share, and another pixel would be set.
_ABOVE_HALVES = 1e-6
_FAR = 0.01  # pixels that a box may differ from that of its mask

_JOINED = "objects of several parts or with holes are one polygon each, joined by lines without width"
_BOXES = "boxes differ from those of their masks by more than .01 pixel: YOLO has no box beside a polygon"
_WITHOUT = "objects of a data set with masks have none and are boxes"


class _YoloLabels(SplitWriter):
    def __init__(self, folder: Path, facts: DataSetFacts, losses: Losses):
        self._folder = folder
        self._facts = facts
        self._losses = losses
        self._boxes = 0

    def add(self, picture: PictureLabels) -> None:
        path = self._folder / os.path.splitext(picture.file_name)[0]
        rows = [self._row(one, picture.height, picture.width) for one in picture.objects]
        with WholeFile(path.with_name(path.name + ".txt")) as file:
            file.write("".join(f"{row}\n" for row in rows))

    def _row(self, one: ObjectLabel, height: int, width: int) -> str:
        polygon = None
        if one.segmentation:
            whole = single_polygon(one.segmentation, height, width)
            if whole is not None:
                polygon = clipped_polygon(whole.points, height, width)
                self._losses.add(_JOINED, int(whole.is_joined))
        if polygon is None:
            self._boxes += 1
            x1, y1, x2, y2 = one.box
            values = np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])
        else:
            points = polygon.reshape(-1, 2)
            extent = np.concatenate([points.min(0), points.max(0)])
            self._losses.add(_BOXES, int(np.abs(extent - one.box).max() > _FAR))
            values = polygon + _ABOVE_HALVES
        shares = np.clip(values.reshape(-1, 2) / (width, height), 0, 1).ravel()
        return f"{one.label - 1} " + " ".join(["%.10g" % share for share in shares.tolist()])

    def __exit__(self, *error) -> None:
        if self._facts.has_masks:
            self._losses.add(_WITHOUT, self._boxes)


def _key(split: str) -> str:
    """How data.yaml calls a split: Ultralytics knows train, val and test."""
    return next((key for key in ("train", "val", "test") if split.startswith(key)), split)


class YoloTarget(Target):
    """data.yaml, images/SPLIT and labels/SPLIT. A picture without objects has an empty file."""

    name = "yolo"
    has_file_a_picture = True
    needs_pictures = True

    def picture_folder(self, split: Optional[str]) -> str:
        return f"images/{split or 'train'}"

    def open_split(self, out: Path, split: Optional[str], facts: DataSetFacts, losses: Losses) -> SplitWriter:
        return _YoloLabels(out / "labels" / (split or "train"), facts, losses)

    def finish(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> None:
        # Without the key "path", Ultralytics takes the folder of the file.
        content = {_key(split or "train"): self.picture_folder(split) for split in splits}
        content["names"] = dict(enumerate(facts.class_names[1:]))
        with WholeFile(out / "data.yaml") as file:
            file.write(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))

    def use(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> List[str]:
        return [f"yolo segment train data={out / 'data.yaml'}"]
