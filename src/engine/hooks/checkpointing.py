"""When checkpoints are written during training. How one is written: `weights/checkpoint_file.py`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Optional, Union

import numpy as np

from ...errors import CheckpointError, TrainingError
from ...log import logger
from ...weights.checkpoint_file import rotate_checkpoints, save_checkpoint
from ..training.resume import LATEST, NUMBERED
from ..training.weight_average import save_average
from .hook import Hook, Step

# every_minutes='auto', see `Checkpointing.interval`:
TIME_SHARE = 0.02  # of the run's time that writing may take
LOST_SHARE = 0.05  # of the run's time that a killed run may lose
LONGEST_INTERVAL = 600.0  # seconds


class Checkpointing(Hook):
    """Writes checkpoints, on the first rank. It comes after the hooks whose state a checkpoint holds.

    It comes before `Evaluation`, so that an evaluation that fails loses no epoch, and writes the checkpoint
    again after it: then it says that the evaluation is done, and which one is the best.

    mask_rcnn-{epoch}_{step}.ckpt: every so many epochs and steps, and at the end.
    latest.ckpt: at the start, every so many minutes, and when a signal or a failure ends the run; it is there
    while it is newer than the numbered ones. Each holds all that a run goes on from.

    Args:
        every_epochs: Epochs from one numbered checkpoint to the next.
        keep: How many numbered checkpoints are kept, the newest.
        every_steps: Also every so many steps; None: not.
        every_minutes: Minutes between writes of latest.ckpt, 0 for never; or 'auto', see `interval`.
        writes: Without, nothing is written.

    Attributes:
        saved: The path of the newest one; None before the first.
    """

    def __init__(
        self,
        every_epochs: int,
        keep: int,
        every_steps: Optional[int] = None,
        every_minutes: Union[float, str] = "auto",
        writes: bool = True,
    ):
        self.every_epochs = every_epochs
        self.keep = keep
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self.writes = writes
        self.saved: Optional[Path] = None
        self.write_seconds = 0.0  # of the last one
        self.total_write_seconds = 0.0
        self.written = 0
        self.is_complete = False
        self.last_time = self.began = time.monotonic()

    def before_train(self, trainer) -> None:
        self.last_time = self.began = time.monotonic()
        if not self.is_writer(trainer):
            return
        for leftover in trainer.checkpoint_dir.glob(".*.partial*"):  # of a run that was killed while it wrote
            leftover.unlink()
        self.saved = trainer.resumed and Path(trainer.resumed.path)
        self.put_aside_superseded(trainer)
        if trainer.resumed is None:
            # A folder that cannot be written is reported now, not after hours.
            self.write(trainer, LATEST)

    def is_writer(self, trainer) -> bool:
        return self.writes and trainer.device.rank == 0

    def put_aside_superseded(self, trainer) -> None:
        """Move checkpoints of an earlier run, or from after the resumed position, into superseded/.

        Left where they are, they would be taken for this run's newest.
        """
        folder = trainer.checkpoint_dir
        position = trainer.resumed.position if trainer.resumed else (-1, 0)
        superseded = []
        for path in folder.glob("*.ckpt"):
            match = NUMBERED.fullmatch(path.name)
            if match and (int(match[1]) - 1, int(match[2])) > position:
                superseded.append(path)
        if (folder / LATEST).exists() and (self.saved is None or self.saved.name != LATEST):
            superseded.append(folder / LATEST)
        for path in superseded:
            (folder / "superseded").mkdir(exist_ok=True)
            path.replace(folder / "superseded" / path.name)
        if superseded:
            logger.info(
                "%d checkpoints that are not of this run, or from after its resumed step, are now in %s",
                len(superseded),
                folder / "superseded",
            )

    def after_step(self, trainer, step: Step) -> None:
        if step.global_step >= trainer.total_steps:
            return  # after_train writes
        if self.every_steps is not None and step.global_step % self.every_steps == 0:
            self.write_numbered(trainer)
        elif time.monotonic() - self.last_time >= self.interval():
            self.on_interrupt(trainer)

    def after_epoch(self, trainer) -> None:
        if (trainer.epoch + 1) % self.every_epochs == 0:
            self.write_numbered(trainer)

    def after_evaluation(self, trainer) -> None:
        name = self.numbered_name(trainer)
        if self.is_writer(trainer) and self.saved == trainer.checkpoint_dir / name:
            self.write(trainer, name)

    def after_train(self, trainer) -> None:
        self.write_numbered(trainer)
        self.is_complete = True

    def close(self, trainer) -> None:
        # Here, as the last evaluation has written the last checkpoint again.
        if self.is_complete and self.written:
            elapsed = time.monotonic() - self.began
            share = 100 * self.total_write_seconds / elapsed
            print(
                f"checkpoints: {self.written} written in {self.total_write_seconds:.2f} s of {elapsed:.1f} s "
                f"({share:.2f}%)",
                flush=True,
            )

    def on_interrupt(self, trainer) -> None:
        """Write latest.ckpt. Where that fails, say so and go on: there may be room again the next time."""
        if not self.is_writer(trainer):
            return
        try:
            self.write(trainer, LATEST)
        except CheckpointError as error:
            self.last_time = time.monotonic()
            logger.warning("%s", error)

    def interval(self) -> float:
        """Seconds from one writing of latest.ckpt to the next.

        With 'auto' so long that writing takes TIME_SHARE of the time, and that a killed run loses at most
        LOST_SHARE of it, up to LONGEST_INTERVAL.
        """
        if self.every_minutes == "auto":
            elapsed = time.monotonic() - self.began
            longest = min(LOST_SHARE * elapsed, LONGEST_INTERVAL)
            return max(self.write_seconds / TIME_SHARE, 1.0, longest)
        return 60 * self.every_minutes or math.inf

    def write_numbered(self, trainer) -> None:
        """Write mask_rcnn-{epoch}_{step}.ckpt, and the average beside it; delete the oldest."""
        name = self.numbered_name(trainer)
        if not self.is_writer(trainer) or self.saved == trainer.checkpoint_dir / name:
            return
        self.write(trainer, name)
        rotate_checkpoints(trainer.checkpoint_dir, self.keep)
        save_average(trainer, name)
        (trainer.checkpoint_dir / LATEST).unlink(missing_ok=True)

    def numbered_name(self, trainer) -> str:
        return f"mask_rcnn-{trainer.epoch + 1}_{trainer.step_in_epoch}.ckpt"

    def write(self, trainer, name: str) -> None:
        """Write a checkpoint.

        Raises:
            TrainingError: A weight is not finite; nothing is written.
            CheckpointError: The file cannot be written.
        """
        started = time.monotonic()
        trainer.device.group.report(f"while it wrote {name} {trainer.position_text()}", idle_limit=300)
        for weight, value in trainer.network.parameters_dict().items():
            if not np.isfinite(value.asnumpy()).all():
                raise TrainingError(
                    f"weights are not finite {trainer.position_text()} (the first: {weight}), so they are "
                    "not saved; a lower base_lr or a longer warmup_step may help, "
                    f"and {self.saved or 'nothing'} was saved before"
                )
        path = trainer.checkpoint_dir / name
        save_checkpoint(
            path,
            trainer.network,
            trainer.network_settings,
            trainer.epoch + 1,
            trainer.step_in_epoch,
            trainer.step_cell,
            trainer.state_dict(),
        )
        self.saved = path
        self.last_time = time.monotonic()
        self.write_seconds = self.last_time - started
        self.total_write_seconds += self.write_seconds
        self.written += 1
