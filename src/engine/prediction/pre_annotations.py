"""What was found, as labels that people correct in labelling tools: LabelMe, CVAT, COCO JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Optional, Sequence

import numpy as np

from ...data.forms.writers.coco import CocoFile
from ...data.forms.writers.cvat import CvatFile
from ...data.forms.writers.labelme import write_labelme
from ...data.forms.writers.mask_outlines import MaskWindow, editable_polygons
from ...data.forms.writers.picture_labels import DataSetFacts, ObjectLabel, PictureLabels
from ...data.forms.writers.target import SplitWriter
from ...predictor import Instance, Prediction
from .output import Output, Source

MASKS = "masks"
POLYGONS = "polygons"


def _picture_labels(prediction: Prediction, source: Source, name: str, as_object) -> PictureLabels:
    objects = [one for one in map(as_object, prediction) if one is not None]
    return PictureLabels(source.image_id, name, prediction.width, prediction.height, objects)


def _outlined(instance: Instance, tolerance: float) -> Optional[ObjectLabel]:
    """An object with its outlines; None for an empty mask."""
    window = instance.mask_window()
    if window is None or not window.columns.any():
        return None
    mask = np.ascontiguousarray(window.columns.T).view(np.uint8)
    polygons = editable_polygons(MaskWindow(mask, window.left, window.top), tolerance)
    return ObjectLabel(instance.label, instance.box, polygons, area=float(mask.sum()), score=instance.score)


def _with_run_lengths(instance: Instance) -> Optional[ObjectLabel]:
    window = instance.mask_window()
    if window is None or not window.columns.any():
        return None
    return ObjectLabel(instance.label, instance.box, instance.rle(), score=instance.score)


class LabelmeOutput(Output):
    """OUT/labelme/NAME.json, which names its picture relative to itself."""

    def __init__(self, out: Path, tolerance: float):
        self._folder = out / "labelme"
        self._tolerance = tolerance

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        labels = _picture_labels(
            prediction, source, source.path.name, lambda one: _outlined(one, self._tolerance)
        )
        image_path = os.path.relpath(source.path, self._folder)
        write_labelme(self._folder / f"{source.name}.json", labels, prediction.all_class_names, image_path)


class DataSetOutput(Output):
    """One file for all pictures. It names them relative to the folder that holds them all.

    Args:
        writer: of the file.
        folder: that holds all pictures.
        as_object: an instance -> its label, or None.
    """

    def __init__(
        self, writer: SplitWriter, folder: Path, as_object: Callable[[Instance], Optional[ObjectLabel]]
    ):
        self._writer = writer
        self._folder = folder
        self._as_object = as_object

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        name = Path(os.path.relpath(source.path, self._folder)).as_posix()
        self._writer.add(_picture_labels(prediction, source, name, self._as_object))

    def __exit__(self, *error) -> None:
        self._writer.__exit__(*error)


def cvat_output(out: Path, class_names: Sequence[str], folder: Path, form: str, tolerance: float) -> Output:
    """OUT/cvat.xml; form: POLYGONS or MASKS."""
    facts = _facts(class_names)
    as_object = _with_run_lengths if form == MASKS else lambda one: _outlined(one, tolerance)
    return DataSetOutput(CvatFile(out / "cvat.xml", facts), folder, as_object)


def coco_output(out: Path, class_names: Sequence[str], folder: Path, tolerance: float) -> Output:
    """OUT/coco.json: a data set with polygons, which every tool imports."""
    writer = CocoFile(out / "coco.json", _facts(class_names))
    return DataSetOutput(writer, folder, lambda one: _outlined(one, tolerance))


def _facts(class_names: Sequence[str]) -> DataSetFacts:
    return DataSetFacts(tuple(class_names), tuple(range(len(class_names))), True)


def common_folder(paths: Sequence[Path]) -> Path:
    """The deepest folder that holds all files."""
    return Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]))
