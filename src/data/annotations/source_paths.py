"""Where a data set's annotation file and pictures are, by the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from ...config import Config
from ...errors import ConfigError, DataError


def annotation_path(config: Config, split: str = "train") -> str:
    """The annotation file of a split ("train" or "val"), for any `dataset`."""
    if config.dataset == "coco":
        return coco_annotation_path(config, split)
    return txt_annotation_path(config, split)


def picture_folder_path(config: Config, split: str = "train") -> str:
    """The folder that the picture names in the annotation file start from."""
    return coco_picture_folder(config, split) if config.dataset == "coco" else config.IMAGE_DIR


def coco_annotation_path(config: Config, split: str) -> str:
    """The COCO JSON of a split, below coco_root; for "val" it is `ann_file` if that is set."""
    if split == "val" and config.ann_file:
        return config.ann_file
    data_type = config.train_data_type if split == "train" else config.val_data_type
    return os.path.join(config.coco_root, config.instance_set.replace("{}", data_type))


def coco_picture_folder(config: Config, split: str) -> str:
    """The folder with a split's pictures, below coco_root."""
    data_type = config.train_data_type if split == "train" else config.val_data_type
    return os.path.join(config.coco_root, data_type)


def txt_annotation_path(config: Config, split: str) -> str:
    """The txt file of a split: ANNO_PATH; for "val" it is `ann_file` if that is set.

    Raises:
        ConfigError: the file's or the pictures' path is not set.
    """
    path = config.ann_file if split == "val" and config.ann_file else config.ANNO_PATH
    for name, value in (("ANNO_PATH", path), ("IMAGE_DIR", config.IMAGE_DIR)):
        if not value:
            raise ConfigError(f"dataset=other needs {name}: write {name}=PATH")
    return path


def read_annotation_file(path: str | Path) -> bytes:
    """The bytes of an annotation file. Raises DataError with the path if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"annotation file {path}: {getattr(error, 'strerror', None) or error}") from None
