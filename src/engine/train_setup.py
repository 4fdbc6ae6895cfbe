"""What a training run starts with: data, network, weights and step, alike on all ranks.

`start_new_run` and `start_resumed_run` are the two ways to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import mindspore as ms

from ..config import Config, changed, values_with
from ..data.annotations.records import DataSource
from ..data_settings import annotation_settings, data_check_settings
from ..dataset import ensure_mindrecord, resolve_classes, steps_per_epoch
from ..device_limits import check_device_limits
from ..log import logger
from ..maskrcnn.build import build_network, norm_kind
from ..network_define import TrainOneStep
from ..weights.pretrained import PretrainedWeights, load_pretrained, open_pretrained
from .distributed.agreement import check_settings
from .inference.evaluation_data import checked_evaluation_data, with_classes_of
from .output_folder import prepare_output_folder
from .runtime.compile_cache import cache_folder
from .runtime.device import Device
from .tracking.choice import check_tracker
from .training.build_step import make_step
from .training.resume import (
    Resumed,
    broadcast_parameters,
    check_same_data,
    data_fingerprint,
    find_resumed,
    restore_step_cell,
    resumed_config,
)
from .training.summary import print_summary

# The arrays of a batch that a training step takes, in its order (`training_example.batch_layout`).
BATCH_NAMES = ("image", "image_meta", "sample_key", "gt_boxes", "gt_labels", "gt_valid", "gt_masks")


@dataclass
class TrainSetup:
    """What `Trainer` takes.

    Attributes:
        config: The settings, with what the weights, the data and a resumed run decide.
        work_dir: The work folder; `{rank}` in it stands for the rank.
        device: The `Device` of this process.
        data_dir: The folder of the MindRecord shards.
        steps_per_epoch: Steps of an epoch over all devices.
        network: The network, in training mode.
        step_cell: The training step, which holds the network.
        saved_facts: What a checkpoint's state says besides the position.
        resumed: The checkpoint that the run goes on from; None for a new run.
        evaluation_data: The checked evaluation split, with training's classes; None where nothing is
            evaluated or drawn.
    """

    config: Config
    work_dir: str
    device: Device
    data_dir: Path
    steps_per_epoch: int
    network: ms.nn.Cell
    step_cell: TrainOneStep
    saved_facts: Dict[str, Any]
    resumed: Optional[Resumed] = None
    evaluation_data: Optional[DataSource] = None

    @property
    def norm(self) -> str:
        """The kind of norm of the backbone."""
        return norm_kind(self.config, self.config.pre_trained is not None)


def open_weights(config: Config) -> Tuple[Config, Optional[PretrainedWeights]]:
    """(the configuration with what the weights of `pre_trained` need, those weights or None).

    A resumed run has weights of its own, so nothing is opened for it.
    """
    if config.pre_trained is None or config.resume is not None:
        return config, None
    return open_pretrained(config)


def set_up(config: Config, weights: Optional[PretrainedWeights], work_dir: str, device: Device) -> TrainSetup:
    """A new run, or the run that `resume` names, ready for the first step."""
    folder = checkpoint_dir_of(config, Path(work_dir.replace("{rank}", "0")))
    resumed = find_resumed(config, folder, device.group)
    if resumed is None:
        return start_new_run(config, weights, work_dir, device)
    return start_resumed_run(config, resumed, work_dir, device)


def start_new_run(
    config: Config, weights: Optional[PretrainedWeights], work_dir: str, device: Device
) -> TrainSetup:
    """From weights (`pre_trained`), or from scratch."""
    if config.pre_trained is not None and weights is None:
        config, weights = open_pretrained(config)  # resume=auto found no checkpoint
    asked_classes = config.coco_classes
    evaluation_data = check_before_long_work(config, work_dir, device)
    config, data_dir, manifest = prepare_data(config, asked_classes, device)
    evaluation_data = with_trained_classes(config, evaluation_data)
    network = new_network(config, device, loads_weights=weights is not None)
    weights_lines = ("from scratch",) if weights is None else load_pretrained(network, weights, config)
    network.set_train(True)
    step_cell = make_step(config, network, device.num)
    facts = {
        "loads_weights": weights is not None,
        "asked_classes": asked_classes,
        "data": data_fingerprint(manifest),
    }
    setup = TrainSetup(
        config,
        work_dir,
        device,
        data_dir,
        steps_per_epoch(config, manifest, device.num),
        network,
        step_cell,
        facts,
        evaluation_data=evaluation_data,
    )
    return make_ranks_alike(setup, manifest, weights_lines)


def start_resumed_run(config: Config, resumed: Resumed, work_dir: str, device: Device) -> TrainSetup:
    """From a run's checkpoint: its settings, weights, optimiser state and position."""
    asked_classes = config.coco_classes
    if "coco_classes" not in config.written:
        asked_classes = resumed.state["asked_classes"]
    config = resumed_config(config, resumed)
    evaluation_data = check_before_long_work(config, work_dir, device)
    config, data_dir, manifest = prepare_data(config, asked_classes, device)
    evaluation_data = with_trained_classes(config, evaluation_data)
    network = new_network(config, device, loads_weights=resumed.state["loads_weights"])
    network.set_train(True)
    step_cell = make_step(config, network, device.num)
    check_same_data(resumed, manifest)
    if device.rank == 0:
        restore_step_cell(step_cell, network, resumed)
    facts = {
        "loads_weights": resumed.state["loads_weights"],
        "asked_classes": asked_classes,
        "data": data_fingerprint(manifest),
    }
    steps = steps_per_epoch(config, manifest, device.num)
    setup = TrainSetup(
        config, work_dir, device, data_dir, steps, network, step_cell, facts, resumed, evaluation_data
    )
    return make_ranks_alike(setup, manifest, (f"resumed from {resumed.path}",))


def make_ranks_alike(setup: TrainSetup, manifest, weights_lines: Sequence[str]) -> TrainSetup:
    """Give all ranks rank 0's parameters, and print what is trained."""
    broadcast_parameters(setup.step_cell, setup.device)
    setup.step_cell.take_over()
    if setup.device.rank == 0:
        print_summary(
            setup.config, setup.device, manifest, setup.network, setup.steps_per_epoch, weights_lines
        )
    return setup


def check_before_long_work(config: Config, work_dir: str, device: Device) -> Optional[DataSource]:
    """Try what a run needs later, so that it is not lost then: device, folder and the evaluation's data.

    Returns:
        The evaluation split; None where nothing is evaluated, and no pictures of detections are drawn.
    """
    check_device_limits(config, device.target)
    if device.rank == 0:
        check_tracker(config.tracker)
    prepare_output_folder(work_dir.replace("{rank}", str(device.rank)), "--work-dir")
    if config.compile_cache not in ("auto", "off"):
        prepare_output_folder(cache_folder(config.compile_cache, device.target), "compile_cache")
    draws = config.tensorboard and config.picture_interval is not None
    if config.eval_interval is None and not draws:
        return None
    return checked_evaluation_data(data_check_settings(config, "val"), device.group, config.eval_interval)


def with_trained_classes(config: Config, evaluation_data: Optional[DataSource]) -> Optional[DataSource]:
    """The evaluation split with training's classes: the data may have come with their own."""
    if evaluation_data is None:
        return None
    return with_classes_of(annotation_settings(config, "val"), evaluation_data, config.eval_interval)


def prepare_data(config: Config, asked_classes, device: Device) -> Tuple[Config, Path, Any]:
    """Convert the data if they are not converted.

    Args:
        config: The settings.
        asked_classes: `coco_classes` as the user wrote it ("auto", or names).
        device: This process among the others; all ranks must have the same settings and data.

    Returns:
        (the configuration with the data's classes, the folder of the shards, their manifest)
    """
    if isinstance(asked_classes, list):
        asked_classes = tuple(asked_classes)
    data_dir, manifest = convert_on_rank_0(config.replace(coco_classes=asked_classes), device.group)
    config = without_mask_loss_if_no_masks(resolve_classes(config, manifest), manifest.has_masks)
    check_settings(values_with(config, "per_host", False), data_fingerprint(manifest), device.group)
    return config, data_dir, manifest


def convert_on_rank_0(config: Config, group):
    """`ensure_mindrecord`: rank 0 converts while the others wait; if it fails, all end with its error."""
    converted = ensure_mindrecord(config, group.rank) if group.rank == 0 else None
    group.report("while the data were converted", idle_limit=None)
    group.barrier()
    # A rank on another host, without rank 0's files, converts now.
    return converted or ensure_mindrecord(config, group.rank)


def without_mask_loss_if_no_masks(config: Config, has_masks: bool) -> Config:
    """The configuration for data without masks: no mask loss, which is reported once."""
    if has_masks or config.rcnn_loss_mask_fb_weight == 0:
        return config
    logger.info("the data has boxes but no masks: training box detection only (rcnn_loss_mask_fb_weight=0)")
    return changed(config, rcnn_loss_mask_fb_weight=0.0)


def new_network(config: Config, device: Device, loads_weights: bool) -> ms.nn.Cell:
    """The network with initial weights that follow from `seed`."""
    ms.set_seed(config.seed)
    return build_network(config, device.target, loads_weights)


def checkpoint_dir_of(config: Config, work_dir: Path) -> Path:
    return Path(work_dir) / config.save_checkpoint_path / "checkpoint"
