"""The loss log's exact line, and the display on a terminal (a pseudo terminal) and without one."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from src.engine.display.progress import LOSS_NAMES, LossLog, Progress, global_steps, read_loss_log
from src.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
LINE = (
    "epoch: 1 step: 7393 ,rpn_loss: 0.05716, rcnn_loss: 0.81152, rpn_cls_loss: 0.04828, rpn_reg_loss: 0.00889, "
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
        assert log.path.read_text() == LINE  # flushed, though not closed
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


def test_without_a_terminal_one_line_at_the_end():
    stream = io.StringIO()
    with Progress(50, "training", stream=stream) as progress:
        for _ in range(50):
            progress.update(total_loss=1.23456, lr=0.02, phase="warm-up")
        assert stream.getvalue() == ""
    progress.close()
    line = stream.getvalue()
    assert line.count("\n") == 1 and line.startswith("training: 50/50 steps (100%), 00:00 gone, ")
    assert line.endswith(" step/s, total_loss 1.235, lr 0.02, phase warm-up\n") and "left" not in line


def test_without_a_terminal_a_line_a_period():
    stream = io.StringIO()
    progress = Progress(10, "evaluating", unit="picture", initial=2, stream=stream, quiet_seconds=0)
    progress.update(3)
    assert stream.getvalue().startswith("evaluating: 5/10 pictures (50%), 00:00 gone, 00:00 left, ")
    progress.write("a word between")
    assert stream.getvalue().endswith("\na word between\n")
    unknown = Progress(None, "reading", unit="row", stream=stream, quiet_seconds=0)
    unknown.update(7)
    assert "\nreading: 7 rows, 00:00 gone, " in stream.getvalue()
    Progress(0, "nothing", stream=stream).close()
    assert stream.getvalue().endswith("nothing: 0 steps, 00:00 gone, 0.00 step/s\n")


CODE = """
import time
from src.engine.display.progress import Progress
with Progress(20, "training") as progress:
    for step in range(20):
        time.sleep(0.02)
        progress.update(1, total_loss=1 / (1 + step), lr=0.02)
    progress.write("a word between")
"""


def test_on_a_terminal_a_bar_with_eta():
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", CODE], cwd=ROOT, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert process.wait() == 0
    text = shown.decode()
    frames = text.split("\r")
    assert any("training:" in frame and "20/20" in frame and "total_loss 0.05" in frame for frame in frames)
    assert any("<00:00" in frame and "step/s" in frame for frame in frames)  # tqdm's remaining time
    assert "a word between" in text


def test_a_job_without_a_terminal_writes_to_stderr_only():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr.splitlines()[0] == "a word between"
    assert (
        done.stderr.splitlines()[1].startswith("training: 20/20 steps (100%)")
        and len(done.stderr.splitlines()) == 2
    )
