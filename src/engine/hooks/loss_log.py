"""Writes loss_{rank}.log while training."""

from __future__ import annotations

from ..display.loss_lines import LossLog, cut_loss_log
from .hook import Hook, Step


class LossLogWriter(Hook):
    """One line every log_interval steps, and one for the last step."""

    log = None

    def __init__(self, log_interval: int):
        self.log_interval = log_interval

    def before_train(self, trainer) -> None:
        path = trainer.work_dir / f"loss_{trainer.device.rank}.log"
        if trainer.resumed is None:
            # A new run has a log of its own.
            path.unlink(missing_ok=True)
        else:
            # The steps that a killed run did after its last checkpoint are done again.
            epoch, step_in_epoch = trainer.resumed.position
            cut_loss_log(path, epoch + 1, step_in_epoch)
        self.log = LossLog(path)

    def after_step(self, trainer, step: Step) -> None:
        if step.global_step % self.log_interval == 0 or step.global_step >= trainer.total_steps:
            self.log.write(step.epoch, step.step_in_epoch, step.losses)

    def close(self, trainer) -> None:
        if self.log is not None:
            self.log.close()
