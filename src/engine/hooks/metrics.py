"""metrics.jsonl, and TensorBoard's event files beside it."""

from __future__ import annotations

import sys
from typing import Any, Dict

import numpy as np

from ..display.loss_lines import LOSS_NAMES
from ..display.metrics_file import MetricsFile
from .hook import Hook, Step
from .progress_display import memory_gb


class Metrics(Hook):
    """metrics.jsonl and TensorBoard's event files (in tensorboard/).

    A line every so many steps: step, epoch, place (the step within the epoch), lr, the losses,
    gradient_norm, loss_scale, skipped, seconds, data_seconds, images_per_second, memory_gb. Other hooks add
    lines by `add_row` and pictures by `add_picture`.

    Args:
        log_interval: Steps from one line to the next.
        tensorboard: Whether event files are written.
        has_dynamic_scale: Whether the loss scale is dynamic, which TensorBoard then shows.
    """

    file = None
    writer = None

    def __init__(self, log_interval: int, tensorboard: bool, has_dynamic_scale: bool):
        self.log_interval = log_interval
        self.tensorboard = tensorboard
        self.has_dynamic_scale = has_dynamic_scale

    def before_train(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        self.file = MetricsFile(trainer.work_dir / "metrics.jsonl", trainer.global_step)
        if self.tensorboard:
            purge_step = trainer.global_step + 1 if trainer.global_step else None
            self.writer = summary_writer_class()(str(trainer.work_dir / "tensorboard"), purge_step=purge_step)

    def after_step(self, trainer, step: Step) -> None:
        is_last = step.global_step >= trainer.total_steps
        if self.file is None or (step.global_step % self.log_interval and not is_last):
            return
        elapsed = max(step.data_seconds + step.seconds, 1e-9)
        timing = {
            "seconds": round(step.seconds, 4),
            "data_seconds": round(step.data_seconds, 4),
            "images_per_second": round(trainer.images_per_step / elapsed, 4),
            "memory_gb": round(memory_gb(trainer.device.target), 3),
        }
        position = {"step": step.global_step, "epoch": step.epoch, "place": step.step_in_epoch}
        self.file.write({**position, "lr": step.lr, **step.losses, **timing})
        scalars = {"lr": step.lr}
        scalars.update({f"loss/{name}": step.losses[name] for name in LOSS_NAMES})
        scalars["gradient_norm"] = step.losses["gradient_norm"]
        scalars.update({f"run/{name}": value for name, value in timing.items()})
        if self.has_dynamic_scale:
            scalars.update({name: step.losses[name] for name in ("loss_scale", "skipped")})
        self.add_scalars(step.global_step, scalars)

    def add_row(self, trainer, row: Dict[str, Any], scalars: Dict[str, float]) -> None:
        """Add a line of other figures after the last step, and `scalars` to TensorBoard."""
        if self.file is not None:
            self.file.write({"step": trainer.global_step, "epoch": trainer.epoch + 1, **row})
            self.add_scalars(trainer.global_step, scalars)

    def remove_evaluation(self, global_step: int) -> None:
        """Remove the lines of an evaluation after a step, which a killed run had begun."""
        if self.file is not None:
            self.file.remove(lambda row: "evaluated" in row and row["step"] == global_step)

    def add_scalars(self, global_step: int, values: Dict[str, float]) -> None:
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, global_step)

    def add_picture(self, trainer, name: str, picture: np.ndarray) -> None:
        """Show a picture, uint8 [H, W, 3] RGB, in TensorBoard."""
        if self.writer is not None:
            self.writer.add_image(name, picture, trainer.global_step, dataformats="HWC")
            self.writer.flush()

    def close(self, trainer) -> None:
        if self.file is not None:
            self.file.close()
        if self.writer is not None:
            self.writer.close()


def summary_writer_class():
    """tensorboardX's SummaryWriter, without PyTorch.

    tensorboardX imports PyTorch where it is installed, for drawing PyTorch's own graphs and tensors: 2
    seconds and 0.2 GB of every start.
    """
    hide_torch = "torch" not in sys.modules
    if hide_torch:
        sys.modules["torch"] = None  # importing it fails now, as where it is not installed
    try:
        from tensorboardX import SummaryWriter
    finally:
        if hide_torch:
            del sys.modules["torch"]
    return SummaryWriter
