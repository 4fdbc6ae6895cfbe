"""When checkpoints are written during training."""
from __future__ import annotations

from src.engine.checkpoint import rotate_checkpoints, save_checkpoint
from src.engine.hooks import Hook


class Saving(Hook):
    """mask_rcnn-{epoch}_{step}.ckpt every save_checkpoint_epochs and save_checkpoint_steps and at the end, by the first rank.

    It comes last among the hooks, so that a checkpoint holds what the others did after the same step. saved: the newest one's path.
    """

    saved = None

    def step(self, run, step):
        every = run.config.save_checkpoint_steps
        if every is not None and step.done % every == 0 and step.done < run.total:
            self.save(run)

    def epoch(self, run):
        if (run.epoch + 1) % run.config.save_checkpoint_epochs == 0:
            self.save(run)

    def end(self, run):
        self.save(run)

    def save(self, run):
        if not run.config.save_checkpoint or run.device.rank != 0:
            return
        path = run.checkpoints / f"mask_rcnn-{run.epoch + 1}_{run.place}.ckpt"
        if path != self.saved:
            save_checkpoint(path, run.network, run.config, run.norm, run.epoch + 1, run.place)
            rotate_checkpoints(run.checkpoints, run.config.keep_checkpoint_max)
        self.saved = path
