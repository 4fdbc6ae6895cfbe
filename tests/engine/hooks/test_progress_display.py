"""The figures of the progress display."""

from __future__ import annotations

import pytest

from src.engine.display.loss_log import LOSS_NAMES
from src.engine.hooks.progress_display import losses_text, speed


def test_figures_of_the_display():
    """Six steps of 4 pictures, 1.5 s each, a third of it waiting."""
    assert speed([({}, 0.5, 1.0)] * 6, 4) == {"images/s": pytest.approx(4 / 1.5), "data": "33%"}
    text = losses_text(dict(zip(LOSS_NAMES, (0.057, 0.812, 0.048, 0.009, 0.288, 0.176, 0.348, 0.869))))
    assert text == "0.869 = rpn 0.057 (class 0.048 box 0.009) + rcnn 0.812 (class 0.288 box 0.176 mask 0.348)"
