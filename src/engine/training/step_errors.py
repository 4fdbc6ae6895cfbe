"""What a training step can fail with, in one line each."""

from __future__ import annotations

import contextlib
from typing import Mapping, Sequence

from ..runtime.card_memory import one_line_when_full


def step_memory(image_shape: Sequence[int]) -> contextlib.AbstractContextManager:
    """Within it too little memory on the device for a step is a `CardMemoryError`.

    Args:
        image_shape: Of the batch's pictures, [B, H, W, 3].
    """
    count, height, width = image_shape[:3]
    return one_line_when_full(
        f"a step of {count} pictures of {width}x{height}",
        "a smaller batch_size (accumulate_steps keeps the pictures of an update) or a smaller canvas "
        "(img_height, img_width) needs less",
    )


def not_finite_line(
    where: str, losses: Mapping[str, float], with_loss_scale: bool, by_flags: bool = False
) -> str:
    """The line about losses of which one is not finite.

    Args:
        where: The step, the rank and the pictures.
        losses: {name: value}.
        with_loss_scale: Whether a loss scale that follows the gradients may help.
        by_flags: Whether an infinite norm of the gradients stands for a flag of the chip, see
            `build_step.reads_overflow_flags`.
    """
    values = ", ".join(f"{name} {value:.5g}" for name, value in losses.items())
    hints = "a lower base_lr or a longer warmup_step"
    if with_loss_scale:
        hints = "a lower base_lr, a longer warmup_step or loss_scale=dynamic"
    if by_flags and with_loss_scale:
        hints += " (an infinite gradient_norm is a flag of the chip here; loss_scale=1024 does not read it)"
    return f"a loss is not finite at {where}: {values}; {hints} may help, weights saved before are untouched"
