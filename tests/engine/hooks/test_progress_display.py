"""The figures of the progress display."""

from __future__ import annotations

import types

import pytest

from src.engine.display.loss_lines import LOSS_NAMES
from src.engine.hooks.progress_display import evaluations_left, losses_text, speed


def test_figures_of_the_display():
    """Six steps of 4 pictures, 1.5 s each, a third of it waiting."""
    assert speed([({}, 0.5, 1.0)] * 6, 4) == {"images/s": pytest.approx(4 / 1.5), "data": "33%"}
    text = losses_text(dict(zip(LOSS_NAMES, (0.057, 0.812, 0.048, 0.009, 0.288, 0.176, 0.348, 0.869))))
    assert text == "0.869 = rpn 0.057 (class 0.048 box 0.009) + rcnn 0.812 (class 0.288 box 0.176 mask 0.348)"


@pytest.mark.parametrize(
    ("interval", "epoch", "step", "total", "left"),
    [
        (None, 0, 0, 40, 0),
        (1, 0, 0, 40, 4),  # after each of four epochs of ten steps
        (1, 0, 10, 40, 3),  # the first is done
        (1, 1, 3, 40, 3),
        (2, 0, 0, 40, 2),
        (3, 0, 0, 40, 2),  # after the third, and at the end
        (1, 0, 0, 35, 4),  # three whole epochs, and the end within the fourth
        (1, 3, 10, 40, 0),
    ],
)
def test_evaluations_that_are_still_to_come(interval, epoch, step, total, left):
    trainer = types.SimpleNamespace(
        epoch=epoch, step_in_epoch=step, steps_per_epoch=10, global_step=10 * epoch + step, total_steps=total
    )
    assert evaluations_left(trainer, interval) == left
