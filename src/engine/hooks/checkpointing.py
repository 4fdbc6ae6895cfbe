"""When checkpoints are written during training."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from ...errors import CheckpointError, TrainingError
from ...weights.checkpoint import rotate_checkpoints, save_checkpoint
from ..training.resume import LATEST, NUMBERED
from ..training.weight_average import save_average
from .hook import Hook

_SHARE, _LOST, _LONGEST = 0.02, 0.05, 600.0  # see Saving.interval


class Saving(Hook):
    """mask_rcnn-{epoch}_{step}.ckpt every save_checkpoint_epochs and save_checkpoint_steps and at the end, by the first rank; latest.ckpt, which
    is there while it is newer than those, at the start, every save_checkpoint_minutes, and when a signal or a fault ends the run.

    Each holds all that a run goes on from. It comes last among the hooks, so that a checkpoint holds what the others did after the same
    step. saved: the newest one's path.
    """

    def __init__(self):
        self.saved, self.cost, self.spent, self.written = None, 0.0, 0.0, 0
        self.last = self.began = time.monotonic()

    def start(self, run):
        self.last = self.began = time.monotonic()
        if not run.config.save_checkpoint or run.device.rank != 0:
            return
        for leftover in run.checkpoints.glob(".*.partial*"):  # of a run that was killed while it wrote
            leftover.unlink()
        self.saved = run.resumed and Path(run.resumed.path)
        self.put_aside(run)
        if run.resumed is None:
            self.write(run, LATEST)  # a folder that cannot be written is told now, not after hours

    def put_aside(self, run):
        """Checkpoints of what came after the resumed place, or of an earlier run, belong to no run any more: they would be taken for the newest."""
        place = run.resumed.place if run.resumed else (-1, 0)
        numbered = [(path, NUMBERED.fullmatch(path.name)) for path in run.checkpoints.glob("*.ckpt")]
        others = [path for path, match in numbered if match and (int(match[1]) - 1, int(match[2])) > place]
        if (run.checkpoints / LATEST).exists() and (self.saved is None or self.saved.name != LATEST):
            others.append(run.checkpoints / LATEST)
        for path in others:
            (run.checkpoints / "superseded").mkdir(exist_ok=True)
            path.replace(run.checkpoints / "superseded" / path.name)
        if others:
            print(
                f"{len(others)} checkpoints that are not of this run, or from after its resumed step, are now in {run.checkpoints / 'superseded'}",
                flush=True,
            )

    def step(self, run, step):
        every = run.config.save_checkpoint_steps
        if every is not None and step.done % every == 0 and step.done < run.total:
            self.scheduled(run)
        elif time.monotonic() - self.last >= self.interval(run.config) and step.done < run.total:
            self.rescue(run)

    def epoch(self, run):
        if (run.epoch + 1) % run.config.save_checkpoint_epochs == 0:
            self.scheduled(run)

    def end(self, run):
        self.scheduled(run)
        if self.written:
            gone = time.monotonic() - self.began
            print(
                f"checkpoints: {self.written} written in {self.spent:.2f} s of {gone:.1f} s ({100 * self.spent / gone:.2f}%)",
                flush=True,
            )

    def interval(self, config):
        """Seconds from one writing to the next: of auto so many that writing takes _SHARE of the time, and at least as many that what a
        killed run loses is _LOST of the time it took, up to _LONGEST."""
        if config.save_checkpoint_minutes == "auto":
            return max(self.cost / _SHARE, 1.0, min(_LOST * (time.monotonic() - self.began), _LONGEST))
        return 60 * config.save_checkpoint_minutes or math.inf

    def scheduled(self, run):
        name = f"mask_rcnn-{run.epoch + 1}_{run.place}.ckpt"
        if not run.config.save_checkpoint or run.device.rank != 0 or self.saved == run.checkpoints / name:
            return
        self.write(run, name)
        rotate_checkpoints(run.checkpoints, run.config.keep_checkpoint_max)
        save_average(run, name)
        (run.checkpoints / LATEST).unlink(missing_ok=True)

    def rescue(self, run):
        """Write latest.ckpt; where that fails, say so and go on, as there may be room again the next time."""
        if not run.config.save_checkpoint or run.device.rank != 0:
            return
        try:
            self.write(run, LATEST)
        except CheckpointError as error:
            self.last = time.monotonic()
            print(f"warning: {error}", flush=True)

    def write(self, run, name):
        started = time.monotonic()
        run.device.team.at(f"while it wrote {name} {run.where()}", idle=300)
        bad = [
            weight
            for weight, value in run.network.parameters_dict().items()
            if not np.isfinite(value.asnumpy()).all()
        ]
        if bad:
            raise TrainingError(
                f"weights are not finite {run.where()} (the first: {bad[0]}), so they are not saved; a lower base_lr or a longer "
                f"warmup_step may help, and {self.saved or 'nothing'} was saved before"
            )
        save_checkpoint(
            run.checkpoints / name,
            run.network,
            run.config,
            run.norm,
            run.epoch + 1,
            run.place,
            run.step_cell,
            run.state(),
        )
        self.saved = run.checkpoints / name
        self.last = time.monotonic()
        self.cost = self.last - started
        self.spent, self.written = self.spent + self.cost, self.written + 1
