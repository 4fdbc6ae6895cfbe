"""Training: data, network, weights, and the loop over epochs and steps. What else happens around a step is in hooks (`hooks.py`)."""
from __future__ import annotations

import contextlib
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.config import changed
from src.dataset import DataWorkers, create_maskrcnn_dataset, ensure_mindrecord, resolve_classes, steps_per_epoch
from src.engine.device import start_device
from src.engine.hooks import LossLines, ProgressDisplay, Step, Stopwatch
from src.engine.loading import load_start, open_start
from src.engine.optimizer import make_optimizer
from src.engine.progress import LOSS_NAMES
from src.engine.saving import Saving
from src.errors import TrainingError
from src.lr_schedule import schedule
from src.maskrcnn.build import build_network, norm_kind
from src.network_define import LossNet, TrainOneStep

BATCH_NAMES = ("image", "image_meta", "sample_key", "boxes", "labels", "valid", "masks")


def train(config, work_dir):
    """Train as configured; returns the path of the last checkpoint (None with save_checkpoint=False).

    Writes loss_{rank}.log and, on rank 0, `save_checkpoint_path`/checkpoint/mask_rcnn-{epoch}_{step}.ckpt below `work_dir`.
    """
    start = None
    if config.pre_trained is not None:
        config, start = open_start(config)
    device = start_device(config)
    work_dir = Path(str(work_dir).replace("{rank}", str(device.rank)))
    folder, manifest = ensure_mindrecord(config, device.rank)
    config = resolve_classes(config, manifest)
    config = without_masks(config, manifest.has_masks)
    steps = steps_per_epoch(config, manifest, device.num)
    ms.set_seed(config.seed)
    network = build_network(config, device.target, loads_weights=start is not None)
    loaded = ("from scratch",)
    if start is not None:
        loaded = load_start(network, start, config)
    network.set_train(True)
    optimizer = make_optimizer(config, network.trainable_params())
    step_cell = TrainOneStep(LossNet(network, device.num), optimizer, config.loss_scale, device.num)
    if device.rank == 0:
        describe(config, device, manifest, network, steps, loaded)
    saving = Saving()
    Run(config, work_dir, device, folder, steps, network, step_cell, [*default_hooks(config), saving]).go()
    return saving.saved


def default_hooks(config):
    """What watches a run, in the order in which it is called after a step; `Saving` follows."""
    return [LossLines(), ProgressDisplay()]


def without_masks(config, has_masks):
    """The configuration for the data: without masks there is no mask loss, which is said once."""
    if has_masks or config.rcnn_loss_mask_fb_weight == 0:
        return config
    print("the data has boxes but no masks: training box detection only (rcnn_loss_mask_fb_weight=0)", flush=True)
    return changed(config, rcnn_loss_mask_fb_weight=0.0)


def describe(config, device, manifest, network, steps, loaded):
    """Print what is about to be trained."""
    parameters = [parameter for parameter in network.get_parameters()]
    total, trained = sum(p.size for p in parameters), sum(p.size for p in network.trainable_params())
    print(f"device: {device.num} x {device.target}, MindSpore {ms.__version__}\n"
          f"data: {manifest.pictures} pictures, {manifest.objects} objects, {config.num_classes - 1} classes, from {manifest.source}\n"
          f"network: {total:,} parameters, {trained:,} of them trained, weights {loaded[0]}\n"
          + "".join(f"weights: {line}\n" for line in loaded[1:]) +
          f"schedule: {config.epoch_size} epochs of {steps} steps, batch {config.batch_size} x {device.num}, canvas {config.img_height}x"
          f"{config.img_width}", flush=True)


class Run:
    """One run: what is trained, where it is, and the loop that takes it to its end.

    steps: of an epoch; total: of the run; epoch (from 0) and place: where it is, `place` steps of `epoch` are done; done: steps in all, which
    the learning rate follows; checkpoints: their folder; norm: the kind of norm that was built; finish: why to end after this epoch.
    """

    def __init__(self, config, work_dir, device, folder, steps, network, step_cell, hooks=()):
        self.config, self.device, self.folder, self.steps, self.network, self.step_cell = config, device, folder, steps, network, step_cell
        self.hooks = list(hooks)
        self.work_dir = Path(work_dir)
        self.checkpoints = self.work_dir / config.save_checkpoint_path / "checkpoint"
        self.norm = norm_kind(config, config.pre_trained is not None)
        self.first_epoch = config.pretrain_epoch_size
        total = steps * (config.epoch_size - self.first_epoch)
        self.total = total if config.max_steps is None else min(total, config.max_steps)
        self.rate = schedule(config, steps, device.num)
        self.epoch, self.place = self.first_epoch, 0
        self.finish = None

    @property
    def done(self):
        return (self.epoch - self.first_epoch) * self.steps + self.place

    def go(self):
        """Train to the end. Raises TrainingError for a loss that is not finite, and whatever a hook raises."""
        with contextlib.ExitStack() as stack:
            for hook in self.hooks:
                stack.callback(hook.close, self)
                hook.start(self)
            workers = stack.enter_context(DataWorkers(self.config, self.folder, self.config.rcnn_loss_mask_fb_weight > 0))
            while True:
                self.train_epoch(workers)
                if self.done >= self.total or self.finish is not None:
                    break
                self.epoch, self.place = self.epoch + 1, 0
            for hook in self.hooks:
                hook.end(self)

    def train_epoch(self, workers):
        """The steps of this epoch from `place` on."""
        gone = Stopwatch()
        for batch in create_maskrcnn_dataset(self.config, self.folder, self.epoch, self.device.rank, self.device.num, self.place, workers):
            self.step(batch, gone())
            if self.done >= self.total:
                break
            gone()
        if self.place == self.steps:
            for hook in self.hooks:
                hook.epoch(self)

    def step(self, batch, waited):
        """One training step: run, check, and tell the hooks."""
        gone = Stopwatch()
        rate = self.rate(self.done)
        figures = self.step_cell(Tensor(np.float32(rate)), *(Tensor(batch[name]) for name in BATCH_NAMES)).asnumpy()
        losses = dict(zip(LOSS_NAMES, figures.tolist()))
        self.place += 1
        if not np.isfinite(figures).all():
            raise TrainingError(f"a loss is not finite at epoch {self.epoch + 1} step {self.place}, pictures {batch['image_id'].tolist()}: "
                                + ", ".join(f"{name} {value:.5g}" for name, value in losses.items())
                                + "; a lower base_lr or a longer warmup_step may help, weights saved before are untouched")
        step = Step(self.epoch + 1, self.place, self.done, rate, losses, batch, waited, gone())
        for hook in self.hooks:
            hook.step(self, step)
