"""From the configuration: what each part of `src/data/` takes, as small values.

Nothing under `src/data/` reads the configuration. A key that a part needs becomes a field of the part's own
settings, and is read here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Tuple

from .config import Config
from .data.annotations.annotation_file import AUTO, AnnotationSettings
from .data.annotations.mending.class_names import COMMON, EVALUATION, TRAINING
from .data.annotations.records import TrainingSelection
from .data.check.anchor_overlap import AnchorSettings
from .data.check.data_check import CheckSettings
from .data.check.statistics import StatisticsSettings
from .data.images.canvas import CanvasSettings
from .data.images.random_placement import PlacementSettings
from .data.mindrecord.conversion_settings import ConversionSettings
from .data.pipeline.evaluation_batches import EvaluationBatchSettings
from .data.pipeline.training_example import ExampleSettings
from .data.sources.find_form import COCO, TXT
from .data.sources.locate import Located, locate_split
from .errors import ConfigError


def annotation_settings(config: Config, split: str = "train") -> AnnotationSettings:
    """Where the annotations of a split ("train" or "val") are, and how they are read.

    Of "val" the file is `ann_file`, if that is set.

    Raises:
        ConfigError: ANNO_PATH or IMAGE_DIR is not set, and dataset=other needs it.
        DataError: the form or the split is not found, or several are.
    """
    located = _locate(config, split)
    counts_classes = config.coco_classes != AUTO or "num_classes" in config.written
    class_use = TRAINING
    if split == "val":
        class_use = COMMON if config.eval_classes == "common" else EVALUATION
    return AnnotationSettings(
        format=located.format,
        path=located.path,
        folder=located.folder,
        split=located.split,
        class_names=config.coco_classes,
        num_classes=config.num_classes if counts_classes else None,
        skip_pictures=config.bad_pictures == "skip",
        class_use=class_use,
    )


def _locate(config: Config, split: str) -> Located:
    """Where the annotations of a split are."""
    if config.dataset == COCO:
        return Located(COCO, *_coco_paths(config, split))
    if config.dataset == TXT:
        return Located(TXT, *_txt_paths(config, split))
    key = "train_data_type" if split == "train" else "val_data_type"
    own = config.ann_file if split == "val" else None
    return locate_split(
        config.dataset,
        Path(own or config.ANNO_PATH or config.coco_root),
        config.IMAGE_DIR or None,
        split,
        getattr(config, key) if key in config.written else None,
        may_be_whole=split == "train" or own is not None,
    )


def _coco_paths(config: Config, split: str) -> Tuple[str, str]:
    """(the COCO JSON, the folder of the pictures), below coco_root."""
    data_type = config.train_data_type if split == "train" else config.val_data_type
    path = os.path.join(config.coco_root, config.instance_set.replace("{}", data_type))
    if split == "val" and config.ann_file:
        path = config.ann_file
    return path, os.path.join(config.coco_root, data_type)


def _txt_paths(config: Config, split: str) -> Tuple[str, str]:
    """(the txt file, the folder that the paths in it start from)."""
    path = config.ann_file if split == "val" and config.ann_file else config.ANNO_PATH
    for name, value in (("ANNO_PATH", path), ("IMAGE_DIR", config.IMAGE_DIR)):
        if not value:
            raise ConfigError(f"dataset=other needs {name}: write {name}=PATH")
    return path, config.IMAGE_DIR


def canvas_settings(config: Config) -> CanvasSettings:
    # img_mean is in the order of the network's channels, the canvas is RGB.
    mean = config.img_mean if config.channel_order == "RGB" else config.img_mean[::-1]
    return CanvasSettings(
        height=config.img_height,
        width=config.img_width,
        keep_ratio=config.keep_ratio,
        resize=config.resize,
        resize_short=config.resize_short,
        resize_long=config.resize_long,
        mean=mean,
        pads_with_mean=config.padding == "mean",
    )


def placement_settings(config: Config) -> PlacementSettings:
    return PlacementSettings(
        canvas=canvas_settings(config),
        flip_ratio=config.flip_ratio,
        expand_ratio=config.expand_ratio,
        crop_ratio=config.crop_ratio,
        crop_min_side=config.crop_min_side,
        multi_scale=config.multi_scale,
        large_scale_jitter=config.large_scale_jitter,
    )


def example_settings(config: Config) -> ExampleSettings:
    return ExampleSettings(
        seed=config.seed,
        placement=placement_settings(config),
        color_jitter=config.color_jitter,
        copy_paste_ratio=config.copy_paste_ratio,
        max_instance_count=config.max_instance_count,
        gt_mask_size=config.gt_mask_size,
    )


def evaluation_batch_settings(config: Config) -> EvaluationBatchSettings:
    return EvaluationBatchSettings(
        canvas=canvas_settings(config), batch_size=config.test_batch_size, threads=config.num_parallel_workers
    )


def data_check_settings(config: Config, split: str = "train") -> CheckSettings:
    """The check of a split. Raises ConfigError as `annotation_settings`."""
    return CheckSettings(
        annotations=annotation_settings(config, split),
        split=split,
        mode=config.check_data,
        threads=config.num_parallel_workers,
        selection=TrainingSelection(config.max_instance_count, config.keep_empty),
        canvas=canvas_settings(config),
    )


def conversion_settings(config: Config) -> ConversionSettings:
    """The conversion of the training split. Raises ConfigError as `annotation_settings`."""
    return ConversionSettings(
        check=data_check_settings(config),
        folder=config.mindrecord_dir,
        shard_mb=config.shard_mb,
        processes=config.num_parallel_workers,
    )


def statistics_settings(config: Config) -> StatisticsSettings:
    return StatisticsSettings(
        canvas=canvas_settings(config),
        anchors=AnchorSettings(
            canvas_size=(config.img_height, config.img_width),
            feature_shapes=config.feature_shapes,
            strides=config.anchor_strides,
            scales=config.anchor_scales,
            ratios=config.anchor_ratios,
            rounded=config.anchor_round,
        ),
        neg_iou=config.neg_iou_thr,
        pos_iou=config.pos_iou_thr,
        reached_iou=config.min_pos_iou,
    )
