"""The pictures that an exported file is checked, calibrated and proved with."""

from __future__ import annotations

import os
from typing import Any, List, Optional, Sequence

import numpy as np

from ...config import Config
from ...data.annotations.records import DataSource, Record
from ...data.images.decode import read_picture
from ...data.shapes.picture import draw_picture
from ...data.sources.read import read_annotations
from ...data_settings import annotation_settings, data_check_settings
from ...errors import DataError
from ...log import logger
from ..distributed.rank_group import RankGroup
from ..inference.evaluation_data import checked_evaluation_data
from ..prediction.inputs import find_inputs, is_video

# Keys that say where the user's own pictures are.
_DATA_KEYS = {"coco_root", "ann_file", "ANNO_PATH"}
_CHECKED = 4  # pictures of the validation split


def names_data(config: Config) -> bool:
    """Whether the user wrote where the pictures are. Else they are drawn."""
    return bool(_DATA_KEYS & config.written)


def spread(items: Sequence[Any], count: Optional[int]) -> List[Any]:
    """At most `count` of some items, from all over them; None: all."""
    if count is None or count >= len(items):
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def check_pictures(config: Config, picture: Optional[str], files: Sequence[str] = ()) -> List[np.ndarray]:
    """What the check after an export runs: named or validation pictures, or a drawn one."""
    if picture is not None:
        return [read_picture(picture)]
    if files:
        return [read_picture(path) for path in spread(_picture_files(files), _CHECKED)]
    annotations = annotation_settings(config, "val") if names_data(config) else None
    if annotations is not None and not os.path.exists(annotations.path):
        logger.info("%s is not there: the file is checked with a drawn picture", annotations.path)
        annotations = None
    if annotations is None:
        return [draw_picture((320, 240), "plain", 1).image]
    records = read_annotations(annotations).records
    return [_pixels(record) for record in spread(records, _CHECKED)]


def calibration_pictures(config: Config, files: Sequence[str], count: int) -> List[np.ndarray]:
    """Pictures that show what the network will see: the files, else training pictures, else validation's.

    Raises:
        DataError: There are none.
    """
    if files:
        return [read_picture(path) for path in spread(_picture_files(files), count)]
    annotations = annotation_settings(config, "train")
    if not os.path.exists(annotations.path):
        logger.info("%s is not there: validation pictures calibrate", annotations.path)
        annotations = annotation_settings(config, "val")
    records = read_annotations(annotations).records
    return [_pixels(record) for record in spread(records, count)]


def proof_pictures(config: Config, files: Sequence[str], count: Optional[int]) -> DataSource:
    """The pictures of a proof: the files, without annotations, or the validation split.

    Args:
        config: The settings of the checkpoint and the user.
        files: Pictures, folders and patterns. None: the validation split.
        count: How many are taken; None: all.

    Raises:
        DataError: They cannot be used.
    """
    if not files:
        source = checked_evaluation_data(data_check_settings(config, "val"), RankGroup())
        source.records = spread(source.records, count)
        return source
    records = [
        _bare_record(number, path) for number, path in enumerate(spread(_picture_files(files), count), 1)
    ]
    names = tuple(config.coco_classes)
    return DataSource("the pictures", "", records, names, tuple(range(len(names))), True, False, "")


def _picture_files(words: Sequence[str]) -> List[str]:
    paths = [path for path in find_inputs(words) if not is_video(path)]
    if not paths:
        raise DataError(f"{' '.join(words)}: videos only; pictures are needed")
    return paths


def _bare_record(image_id: int, path: str) -> Record:
    height, width = read_picture(path).shape[:2]
    none = np.zeros(0)
    return Record(image_id, path, width, height, none.reshape(0, 4), none, none.astype(bool), none, none, [])


def _pixels(record: Record) -> np.ndarray:
    return read_picture(record.path, (record.height, record.width))
