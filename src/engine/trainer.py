"""Training: data, network, weights, the loop over epochs and steps, the log and the checkpoints."""
from __future__ import annotations

import time
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.config import changed
from src.dataset import DataWorkers, create_maskrcnn_dataset, ensure_mindrecord, resolve_classes, steps_per_epoch
from src.engine.checkpoint import read_checkpoint, rotate_checkpoints, save_checkpoint
from src.engine.device import start_device
from src.engine.loading import config_from_checkpoint, is_whole_model, load_backbone, load_network
from src.engine.optimizer import make_optimizer
from src.engine.progress import LOSS_NAMES, LossLog, Progress
from src.errors import TrainingError
from src.lr_schedule import schedule
from src.maskrcnn.build import build_network, norm_kind
from src.network_define import LossNet, TrainOneStep

BATCH_NAMES = ("image", "image_meta", "sample_key", "boxes", "labels", "valid", "masks")


def train(config, work_dir):
    """Train as configured; returns the path of the last checkpoint (None with save_checkpoint=False).

    Writes loss_{rank}.log and, on rank 0, `save_checkpoint_path`/checkpoint/mask_rcnn-{epoch}_{step}.ckpt below `work_dir`.
    """
    entries = None
    if config.pre_trained is not None:
        entries, settings, _ = read_checkpoint(config.pre_trained)
        config = config_from_checkpoint(config, settings if is_whole_model(entries) else None, config.pre_trained)
    device = start_device(config)
    work_dir = Path(str(work_dir).replace("{rank}", str(device.rank)))
    folder, manifest = ensure_mindrecord(config, device.rank)
    config = resolve_classes(config, manifest)
    config = without_masks(config, manifest.has_masks)
    steps = steps_per_epoch(config, manifest, device.num)
    ms.set_seed(config.seed)
    network = build_network(config, device.target, loads_weights=entries is not None)
    loaded = "from scratch"
    if entries is not None:
        (load_network if is_whole_model(entries) else load_backbone)(network, entries, config.pre_trained)
        loaded = f"{'model' if is_whole_model(entries) else 'backbone'} from {config.pre_trained}"
    network.set_train(True)
    optimizer = make_optimizer(config, network.trainable_params())
    step_cell = TrainOneStep(LossNet(network, device.num), optimizer, config.loss_scale, device.num)
    if device.rank == 0:
        describe(config, device, manifest, network, steps, loaded)
    return Run(config, work_dir, device, folder, steps, network, step_cell).go()


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
          f"network: {total:,} parameters, {trained:,} of them trained, weights {loaded}\n"
          f"schedule: {config.epoch_size} epochs of {steps} steps, batch {config.batch_size} x {device.num}, canvas {config.img_height}x"
          f"{config.img_width}", flush=True)


class Run:
    """One run's loop and what it needs at every step."""

    def __init__(self, config, work_dir, device, folder, steps, network, step_cell):
        self.config, self.device, self.folder, self.steps, self.network, self.step_cell = config, device, folder, steps, network, step_cell
        self.work_dir = Path(work_dir)
        self.checkpoints = self.work_dir / config.save_checkpoint_path / "checkpoint"
        self.first_epoch = config.pretrain_epoch_size
        total = steps * (config.epoch_size - self.first_epoch)
        self.total = total if config.max_steps is None else min(total, config.max_steps)
        self.rate = schedule(config, steps, device.num)
        self.saved = None
        self.done = 0                           # steps of this run
        self.batch = None

    def go(self):
        config, rank = self.config, self.device.rank
        (self.work_dir / f"loss_{rank}.log").unlink(missing_ok=True)          # a run has a log of its own
        with LossLog(self.work_dir / f"loss_{rank}.log") as log, DataWorkers(config, self.folder, config.rcnn_loss_mask_fb_weight > 0) as workers, \
                Progress(self.total, "training") if rank == 0 else Quiet() as progress:
            for epoch in range(self.first_epoch, config.epoch_size):
                data = create_maskrcnn_dataset(config, self.folder, epoch, rank, self.device.num, workers=workers)
                for place, batch in enumerate(data, 1):
                    self.step(epoch, place, batch, log, progress)
                    if self.done == self.total:
                        break
                last = self.done == self.total
                if last or (epoch + 1) % config.save_checkpoint_epochs == 0:
                    self.save(epoch, place)
                if last:
                    return self.saved
        return self.saved

    def step(self, epoch, place, batch, log, progress):
        """One training step: run, check, log, and save where `save_checkpoint_steps` says so."""
        started = time.perf_counter()
        rate = self.rate(self.done)
        figures = self.step_cell(Tensor(np.float32(rate)), *(Tensor(batch[name]) for name in BATCH_NAMES)).asnumpy()
        losses = dict(zip(LOSS_NAMES, figures.tolist()))
        if not np.isfinite(figures).all():
            raise TrainingError(f"a loss is not finite at epoch {epoch + 1} step {place}, pictures {batch['image_id'].tolist()}: "
                                + ", ".join(f"{name} {value:.5g}" for name, value in losses.items())
                                + "; a lower base_lr or a longer warmup_step may help, weights saved before are untouched")
        if self.done == 0 and self.device.rank == 0:
            progress.write(f"first step, with the graph's compilation: {time.perf_counter() - started:.1f} s")
        self.done += 1
        if self.done % self.config.log_interval == 0 or self.done == self.total:
            log.write(epoch + 1, place, losses)
        progress.update(1, loss=losses["total_loss"], mask=losses["rcnn_mask_loss"], lr=rate)
        every = self.config.save_checkpoint_steps
        if every is not None and self.done % every == 0 and self.done < self.total:
            self.save(epoch, place)

    def save(self, epoch, place):
        if not self.config.save_checkpoint or self.device.rank != 0:
            return
        path = self.checkpoints / f"mask_rcnn-{epoch + 1}_{place}.ckpt"
        save_checkpoint(path, self.network, self.config, norm_kind(self.config, self.config.pre_trained is not None), epoch + 1, place)
        rotate_checkpoints(self.checkpoints, self.config.keep_checkpoint_max)
        self.saved = path


class Quiet:
    """The progress display of every rank but the first."""

    def update(self, n=1, **figures):
        pass

    def write(self, text):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
