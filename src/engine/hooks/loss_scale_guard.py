"""Ends a run whose dynamic loss scale has collapsed."""

from __future__ import annotations

from ...errors import TrainingError
from .hook import Hook, Step

SMALLEST_SCALE = 2.0**-10  # gradients that overflow even at this scale overflow at any


class LossScaleGuard(Hook):
    """Raises TrainingError when gradients overflow at every scale, so that every update is skipped.

    It is for runs with a dynamic loss scale only.
    """

    def after_step(self, trainer, step: Step) -> None:
        if step.losses["loss_scale"] < SMALLEST_SCALE:
            raise TrainingError(
                f"the loss scale fell to {step.losses['loss_scale']:g} at epoch {step.epoch} "
                f"step {step.step_in_epoch}, rank {trainer.device.rank}, "
                f"pictures {step.batch['image_id'].tolist()}: gradients are not finite at any scale; a lower "
                "base_lr or a longer warmup_step may help, weights saved before are untouched"
            )
