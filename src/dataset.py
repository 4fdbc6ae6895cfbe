"""The data that a configuration describes: from annotations to MindRecord, and to training batches.

All of it is NumPy and needs no device. What each part takes of the configuration: `data_settings.py`.

    # converts where there is no whole conversion
    folder, manifest = ensure_mindrecord(config)
    config = resolve_classes(config, manifest)
    for batch in create_maskrcnn_dataset(config, folder, epoch):
        ...

Order and augmentation are functions of (seed, epoch, row of the shards) alone: any number of workers and
ranks gives the same examples, and an epoch can be taken up at any step.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Optional, Union

import numpy as np

from .config import Config
from .data.annotations.annotation_file import AUTO, check_number_of_classes
from .data.annotations.records import DataSource
from .data.findings import Findings
from .data.images.canvas import resized_size
from .data.mindrecord.converter import Conversion, ensure_converted
from .data.mindrecord.manifest import Manifest, load_manifest, load_rows
from .data.pipeline.sampler import epoch_length, epoch_order, rank_steps
from .data.pipeline.training_batches import TrainingBatches
from .data.pipeline.workers import DataWorkers
from .data.sources.read import read_annotations
from .data_settings import annotation_settings, canvas_settings, conversion_settings, example_settings
from .errors import ConfigError, DataError

__all__ = [
    "create_maskrcnn_dataset",
    "ensure_mindrecord",
    "read_source",
    "resolve_classes",
    "start_workers",
    "steps_per_epoch",
]


def read_source(config: Config, split: str = "train", findings: Optional[Findings] = None) -> DataSource:
    """Read the annotations of a split ("train" or "val").

    findings: Findings to fill. Without it, the reader logs what it finds (see the readers).
    """
    return read_annotations(annotation_settings(config, split), findings)


def resolve_classes(config: Config, source: Union[DataSource, Manifest]) -> Config:
    """The configuration with the data's class names instead of coco_classes=auto; else `config` itself.

    Raises:
        ConfigError: num_classes was written and is not the number of names.
    """
    if config.coco_classes != AUTO:
        return config
    count = len(source.class_names)
    if "num_classes" in config.written:
        check_number_of_classes(config.num_classes, count)
    return config.replace(coco_classes=tuple(source.class_names), num_classes=count)


def ensure_mindrecord(config: Config, rank: int = 0) -> Conversion:
    """The training data as MindRecord, in `mindrecord_dir` or ./mindrecord/<digest of source and settings>.

    They are converted first where no whole conversion is there; see `ensure_converted`.

    Args:
        config: The run's settings.
        rank: Of this process. Only rank 0 shows progress and findings.
    """
    return ensure_converted(conversion_settings(config), rank)


def steps_per_epoch(config: Config, manifest: Manifest, device_num: int = 1) -> int:
    """The number of steps of an epoch.

    A step takes a batch on each of `device_num` devices. The last step is filled up, so that no picture is
    left out.
    """
    length = epoch_length(manifest, config.repeat_factor_threshold)
    return -(-length // (config.batch_size * device_num))


def start_workers(config: Config, folder: Union[str, Path], has_masks: bool) -> DataWorkers:
    """`num_parallel_workers` processes that make the training examples of a conversion.

    Args:
        config: The run's settings.
        folder: The folder that `ensure_mindrecord` returned.
        has_masks: Whether masks are made. Without, all masks are 255.
    """
    return DataWorkers(
        example_settings(config), config.batch_size, config.num_parallel_workers, folder, has_masks
    )


def create_maskrcnn_dataset(
    config: Config,
    folder: Union[str, Path],
    epoch: int,
    rank: int = 0,
    device_num: int = 1,
    start_step: int = 0,
    workers: Optional[DataWorkers] = None,
    images_seen: Optional[int] = None,
) -> TrainingBatches:
    """The training batches of one epoch of a conversion.

    Every row comes once an epoch (or more often, as repeat_factor_threshold says), in the epoch's own order.
    The ranks share the order step by step. The last step is filled up with rows from the epoch's beginning.

    Args:
        config: The run's settings.
        folder: The folder that `ensure_mindrecord` returned.
        epoch: The epoch, from 0.
        rank: This process's number among those that share the epoch.
        device_num: How many processes share the epoch.
        start_step: The first step of the epoch to make.
        workers: Workers to use and leave running, which saves their start at every epoch. By default the
            batches start their own.
        images_seen: Instead of start_step: how many of the epoch's pictures earlier steps have taken. Those
            steps may have had another batch size or number of devices.

    Raises:
        DataError: The folder holds no whole conversion, or the index of its rows is missing or damaged.
        ConfigError: The canvas is too small, or a setting needs masks and the data has none.
    """
    manifest = load_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder}: no whole conversion; ensure_mindrecord makes one")
    rows = load_rows(folder, manifest)
    # A canvas that is too small is reported now, not hours later.
    canvas = canvas_settings(config)
    for height, width in np.unique(np.stack([rows["height"], rows["width"]], 1), axis=0):
        resized_size(int(height), int(width), canvas)
    if config.copy_paste_ratio and not manifest.has_masks:
        raise ConfigError(
            f"copy_paste_ratio={config.copy_paste_ratio} needs masks to cut objects out, and "
            f"{manifest.source} has none"
        )
    if images_seen is None:
        images_seen = start_step * config.batch_size * device_num
    order = epoch_order(manifest, epoch, config.seed, config.repeat_factor_threshold)
    return TrainingBatches(
        rank_steps(order, config.batch_size, rank, device_num, images_seen),
        rows["image_id"],
        epoch,
        manifest.has_masks,
        partial(start_workers, config, folder, manifest.has_masks),
        workers,
    )
