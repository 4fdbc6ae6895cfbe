"""What is written of a prediction besides the drawing: COCO results, CSV, cut-outs, labels."""

from __future__ import annotations

import csv
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from ...data.images.mask_polygons import mask_polygons
from ...errors import ConfigError, one_line
from ...predictor import Instance, Prediction
from ...whole_files import JsonList, WholeFile
from ..display.progress import Progress
from ..display.visualize import draw_detections, save_png
from .output import Output, Source
from .pre_annotations import LabelmeOutput, coco_output, common_folder, cvat_output

RLE = "rle"
POLYGONS = "polygons"


@dataclass(frozen=True)
class PredictionSettings:
    """What is written of the files.

    Attributes:
        out: The folder for all of it.
        threshold: The lowest score of an object that is drawn and written.
        drawings: Whether pictures and videos are drawn.
        json: How masks are written to results.json ("rle" or "polygons"); None: there is no such file.
        csv, crops, labelme, coco: Whether these are written.
        cvat: How masks are written to cvat.xml ("polygons" or "masks"); None: there is no such file.
        tolerance: How far outlines of labelme, coco and cvat may lie from the exact ones, in pixels.
        overwrite: Whether files of labelme, coco and cvat that are there are replaced.
    """

    out: str
    threshold: float
    drawings: bool = True
    json: Optional[str] = None
    csv: bool = False
    crops: bool = False
    labelme: bool = False
    coco: bool = False
    cvat: Optional[str] = None
    tolerance: float = 1.0
    overwrite: bool = False


def instance_row(instance: Instance, masks: Optional[str]) -> Dict[str, Any]:
    """An object as a COCO result, without its image_id; masks: RLE, POLYGONS, or None for a row without."""
    x1, y1, x2, y2 = instance.box
    row = {
        "category_id": instance.label,
        "category": instance.class_name,
        "bbox": [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)],
        "score": round(instance.score, 7),
    }
    if masks is not None:
        row["segmentation"] = instance.rle() if masks == RLE else _flat_polygons(instance)
    return row


def _flat_polygons(instance: Instance) -> List[List[float]]:
    window = instance.mask_window()
    if window is None:
        return []
    polygons = mask_polygons(window.columns.T, window.left, window.top)
    return [polygon.ravel().tolist() for polygon in polygons]


def open_outputs(
    settings: PredictionSettings, out: Path, class_names: Sequence[str], pictures: Sequence[Path]
) -> Iterator[Output]:
    """What the settings ask for besides drawings.

    Args:
        settings: The settings.
        out: The folder, which is there.
        class_names: The names by label.
        pictures: The picture files. Without one there are none of the files that hold pictures alone.
    """
    if settings.json and pictures:
        yield JsonOutput(out, settings.json)
    if settings.csv:
        yield CsvOutput(out)
    if settings.crops:
        yield CropsOutput(out)
    if settings.labelme:
        yield LabelmeOutput(out, settings.tolerance)
    if settings.coco and pictures:
        yield coco_output(out, class_names, common_folder(pictures), settings.tolerance)
    if settings.cvat and pictures:
        yield cvat_output(out, class_names, common_folder(pictures), settings.cvat, settings.tolerance)


def check_labels_free(settings: PredictionSettings, out: Path, names: Sequence[str]) -> None:
    """Raise ConfigError where label files are there that would be replaced: a person may have corrected them.

    Args:
        settings: The settings.
        out: The folder.
        names: Of the pictures, as `Source` has them.
    """
    files = [f"labelme/{name}.json" for name in names] if settings.labelme else []
    files += ["coco.json"] if settings.coco else []
    files += ["cvat.xml"] if settings.cvat else []
    taken = [file for file in files if os.path.lexists(out / file)]
    if taken and not settings.overwrite:
        raise ConfigError(
            f"{out / taken[0]}: is there, and {len(taken) - 1} more of the labels to be written; they may "
            "have been corrected: choose another --out, or --overwrite to replace them"
        )


def draw_prediction(picture: np.ndarray, prediction: Prediction) -> np.ndarray:
    """A picture, uint8 [H, W, 3], with all objects of its prediction, as `draw_detections` draws them."""
    return draw_detections(
        picture, prediction.as_arrays(), prediction.all_class_names, 0.0, prediction.mask_threshold
    )


def announce(source: Source, written: Path, progress: Progress) -> None:
    """Print where a file is; one of another name than its source is named with it."""
    renamed = "" if source.name == source.path.stem else f" ({source.path})"
    progress.write(one_line(f"wrote {written}{renamed}"), sys.stdout)


class JsonOutput(Output):
    """OUT/results.json: COCO results of the pictures, with each picture's file name and class name."""

    def __init__(self, out: Path, masks: str):
        self._list = JsonList(out / "results.json")
        self._masks = masks

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        for instance in prediction:
            row = instance_row(instance, self._masks)
            self._list.append({"image_id": source.image_id, "file_name": str(source.path), **row})

    def __exit__(self, *error) -> None:
        self._list.__exit__(*error)


class CsvOutput(Output):
    """OUT/detections.csv: a line for each object; boxes in pixels, the mask's area in pixels."""

    COLUMNS = ("file_name", "frame", "image_id", "class", "label", "score", "x1", "y1", "x2", "y2", "area")

    def __init__(self, out: Path):
        self._file = WholeFile(out / "detections.csv")
        self._writer = csv.writer(self._file)
        self._writer.writerow(self.COLUMNS)

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        frame = "" if source.frame is None else source.frame
        for instance in prediction:
            window = instance.mask_window()
            area = 0 if window is None else int(window.columns.sum())
            box = [round(value, 3) for value in instance.box]
            row = [source.path, frame, source.image_id, instance.class_name, instance.label]
            self._writer.writerow([*row, round(instance.score, 7), *box, area])

    def __exit__(self, *error) -> None:
        self._file.__exit__(*error)


class CropsOutput(Output):
    """OUT/crops/NAME/NUMBER_CLASS.png: each object cut out along its mask, transparent around it."""

    def __init__(self, out: Path):
        self._folder = out / "crops"

    def add(self, source: Source, picture: np.ndarray, prediction: Prediction) -> None:
        for number, instance in enumerate(prediction, 1):
            cut = cut_out(picture, instance)
            if cut is not None:
                name = f"{number:03d}_{_file_name(instance.class_name)}.png"
                save_png(self._folder / source.name / name, cut)


def cut_out(picture: np.ndarray, instance: Instance) -> Optional[np.ndarray]:
    """uint8 [h, w, 4], RGBA, of the pixels that an object's mask sets; None where it sets none."""
    window = instance.mask_window()
    if window is None or not window.columns.any():
        return None
    mask = window.columns.T
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top = window.top + rows[0]
    left = window.left + columns[0]
    height, width = mask.shape
    pixels = picture[top : top + height, left : left + width]
    return np.dstack([pixels, mask.astype(np.uint8) * 255])


def _file_name(text: str) -> str:
    """A class name as a part of a file name."""
    return re.sub(r"[^\w-]+", "_", text)[:60] or "_"
