"""LabelMe's JSON, one file a picture (https://github.com/wkentaro/labelme, labelme/_label_file.py)."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import cv2
import numpy as np

from ....whole_files import WholeFile
from .mask_outlines import rle_window
from .picture_labels import DataSetFacts, Losses, ObjectLabel, PictureLabels
from .target import SplitWriter, Target

_VERSION = "5.5.0"  # of the form: shapes of the type "mask" are read from 5.3 on


def write_labelme(path: Path, picture: PictureLabels, class_names: Sequence[str], image_path: str) -> None:
    """Write a picture's file.

    The parts of one object have one group_id. An RLE becomes a shape of the type "mask", an object without
    a segmentation a rectangle.

    Args:
        path: the file.
        picture: the picture.
        class_names: by label.
        image_path: the picture file, relative to the folder of `path`.

    Raises:
        DataError: the file cannot be written.
    """
    shapes = []
    for number, one in enumerate(picture.objects, 1):
        shapes += _shapes(one, class_names[one.label], number)
    head = json.dumps({"version": _VERSION, "flags": {}}, indent=2)[:-2]
    tail = json.dumps(
        {
            "imagePath": image_path,
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
        },
        ensure_ascii=False,
        indent=2,
    )[1:]
    lines = ",\n    ".join(json.dumps(shape, ensure_ascii=False) for shape in shapes)
    listed = f"[\n    {lines}\n  ]" if shapes else "[]"
    with WholeFile(path) as file:
        file.write(f'{head},\n  "shapes": {listed},{tail}\n')


def _shapes(one: ObjectLabel, class_name: str, number: int) -> List[Dict[str, Any]]:
    """The shapes of an object; number: its group_id, where it has several."""
    if isinstance(one.segmentation, dict):
        window = rle_window(one.segmentation)
        if window is None:
            return []
        height, width = window.mask.shape
        # The corner points are those of the first and the last pixel.
        last = [float(window.left + width - 1), float(window.top + height - 1)]
        points = [[[float(window.left), float(window.top)], last]]
        return [_shape(one, class_name, points[0], "mask", None, _png(window.mask))]
    if not one.segmentation:
        x1, y1, x2, y2 = one.box
        return [_shape(one, class_name, [[x1, y1], [x2, y2]], "rectangle", None, None)]
    group = number if len(one.segmentation) > 1 else None
    return [
        _shape(one, class_name, np.reshape(polygon, (-1, 2)).tolist(), "polygon", group, None)
        for polygon in one.segmentation
    ]


def _shape(one, class_name, points, kind, group, mask):
    return {
        "label": class_name,
        "points": points,
        "group_id": group,
        "description": "" if one.score is None else f"score {one.score:.3f}",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def _png(mask: np.ndarray) -> str:
    """A mask 0/1 as PNG in base64."""
    return base64.b64encode(cv2.imencode(".png", mask)[1]).decode("ascii")


class _LabelmeFolder(SplitWriter):
    def __init__(self, folder: Path, facts: DataSetFacts):
        self._folder = folder
        self._names = facts.class_names

    def add(self, picture: PictureLabels) -> None:
        path = self._folder / os.path.splitext(picture.file_name)[0]
        path = path.with_name(path.name + ".json")
        image_path = os.path.basename(picture.file_name)
        if picture.source_path is not None:
            image_path = os.path.relpath(picture.source_path, path.parent)
        write_labelme(path, picture, self._names, image_path)


class LabelmeTarget(Target):
    """A JSON beside each picture, in the data set's folder or in one a split."""

    name = "labelme"
    has_file_a_picture = True

    def picture_folder(self, split: Optional[str]) -> str:
        return split or "."

    def open_split(self, out: Path, split: Optional[str], facts: DataSetFacts, losses: Losses) -> SplitWriter:
        return _LabelmeFolder(out / self.picture_folder(split), facts)

    def use(self, out: Path, splits: Sequence[Optional[str]], facts: DataSetFacts) -> List[str]:
        return [f"labelme {out / (splits[0] or '')}"]
