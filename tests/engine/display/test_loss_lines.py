"""The loss log: the exact line, reading back, and steps counted through epochs."""

from __future__ import annotations

import pytest

from src.engine.display.loss_lines import LOSS_NAMES, LossLog, global_steps, read_loss_log
from src.errors import DataError

LINE = (
    "epoch: 1 step: 7393 ,rpn_loss: 0.05716, rcnn_loss: 0.81152, "
    "rpn_cls_loss: 0.04828, rpn_reg_loss: 0.00889, "
    "rcnn_cls_loss: 0.28784, rcnn_reg_loss: 0.17590, rcnn_mask_loss: 0.34790, total_loss: 0.86868\n"
)


LOSSES = {
    "total_loss": 0.86868,
    "rpn_loss": 0.057161,
    "rcnn_loss": 0.81152,
    "rpn_cls_loss": 0.04828,
    "rpn_reg_loss": 0.0088949,
    "rcnn_cls_loss": 0.28784,
    "rcnn_reg_loss": 0.1759,
    "rcnn_mask_loss": 0.3479,
}


def test_the_line_of_the_original(tmp_path):
    with LossLog(tmp_path / "train" / "loss_0.log") as log:
        log.write(1, 7393, LOSSES)
        # Flushed, though not closed.
        assert log.path.read_text() == LINE
    with LossLog(log.path) as log:
        log.write(2, 1, {**LOSSES, "total_loss": float("nan")})
    assert log.path.read_text().startswith(LINE) and log.path.read_text().endswith("total_loss: nan\n")


def test_reading_back(tmp_path):
    path = tmp_path / "loss_0.log"
    path.write_text(LINE + "\n" + LINE.replace("0.86868", "inf").replace("epoch: 1", "epoch: 12") + LINE[:50])
    first, second = read_loss_log(path)
    assert list(first) == ["epoch", "step", *LOSS_NAMES]
    assert first == {
        "epoch": 1,
        "step": 7393,
        "rpn_loss": 0.05716,
        "rcnn_loss": 0.81152,
        "rpn_cls_loss": 0.04828,
        "rpn_reg_loss": 0.00889,
        "rcnn_cls_loss": 0.28784,
        "rcnn_reg_loss": 0.17590,
        "rcnn_mask_loss": 0.34790,
        "total_loss": 0.86868,
    }
    assert second["epoch"] == 12 and second["total_loss"] == float("inf")


@pytest.mark.parametrize(
    "content",
    [
        "epoch: 1 step: x ,total_loss: 1\n",
        "hello\n",
        LINE.replace("0.81152", "0,81152"),
        LINE.replace("0.81152", "many"),
    ],
)
def test_lines_that_do_not_parse_are_named(tmp_path, content):
    path = tmp_path / "loss_0.log"
    path.write_text(LINE + content)
    with pytest.raises(DataError, match="line 2"):
        read_loss_log(path)


def test_unreadable_logs(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_loss_log(tmp_path / "loss_0.log")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="work folder"):
        LossLog(tmp_path / "file" / "loss_0.log")
    with pytest.raises(ValueError, match="rcnn_loss, rpn_cls_loss"):
        LossLog(tmp_path / "loss_0.log").write(1, 1, {"rpn_loss": 1})


def test_steps_counted_through_epochs():
    rows = [{"epoch": epoch, "step": step} for epoch, step in ((1, 5), (1, 10), (2, 5), (2, 10), (3, 5))]
    assert global_steps(rows) == [5, 10, 15, 20, 25]
    assert global_steps([{"epoch": 3, "step": 1}, {"epoch": 3, "step": 4}]) == [9, 12]
    assert global_steps([]) == []
