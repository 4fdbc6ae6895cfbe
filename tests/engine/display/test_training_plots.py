"""The curves of a loss log."""

import cv2
import numpy as np
import pytest

from src.engine.display.loss_lines import LOSS_NAMES, LossLog
from src.engine.display.training_plots import plot_losses, smooth
from src.errors import DataError


def test_smoothing_by_hand():
    assert smooth([1.0, 2, 3]).tolist() == [1, 2, 3]  # under 40 values the window is one
    values = np.zeros(80)
    values[40] = 5
    expected = np.zeros(80)
    expected[38:43] = 1  # a window of five
    assert smooth(values) == pytest.approx(expected, abs=1e-12)
    assert smooth([*[4.0] * 30, np.nan, *[4.0] * 50]) == pytest.approx(np.full(81, 4.0))
    assert smooth(np.arange(80.0))[[0, 40, 79]] == pytest.approx(
        [1, 40, 78]
    )  # cut off at the ends: (0+1+2)/3


def test_loss_curves(tmp_path):
    with LossLog(tmp_path / "loss_0.log") as log:
        for step in range(1, 101):
            log.write(
                1 + (step - 1) // 50,
                1 + (step - 1) % 50,
                dict.fromkeys(LOSS_NAMES, 1 / step if step != 60 else float("nan")),
            )
    plot_losses(log.path, tmp_path / "plots" / "loss.png")
    drawn = cv2.imread(str(tmp_path / "plots" / "loss.png"))
    assert min(drawn.shape[:2]) > 400 and (drawn < 128).mean() > 0.005
    (tmp_path / "empty.log").write_text("")
    with pytest.raises(DataError, match="no line"):
        plot_losses(tmp_path / "empty.log", tmp_path / "loss.png")
