"""The progress display on a terminal (a pseudo terminal) and without one."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

from src.engine.display.progress import Progress
from tests.conftest import ROOT


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
    results = io.StringIO()
    progress.write("a result", results)
    assert results.getvalue() == "a result\n" and "a result" not in stream.getvalue()
    unknown = Progress(None, "reading", unit="row", stream=stream, quiet_seconds=0)
    unknown.update(7)
    assert "\nreading: 7 rows, 00:00 gone, " in stream.getvalue()
    Progress(0, "nothing", stream=stream).close()
    assert stream.getvalue().endswith("nothing: 0 steps, 00:00 gone, 0.00 step/s\n")


class Clock:
    """A clock that stands still until it is told to go on."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def test_the_remaining_time_leaves_compilation_out_and_counts_evaluations_in():
    clock = Clock()
    progress = Progress(101, "training", stream=io.StringIO(), clock=clock)
    clock.seconds = 60
    progress.update(1)  # the first step compiles for a minute
    assert progress.left_text() == "1:40:00"
    progress.restart_clock()
    assert progress.left_text() == "?"
    clock.seconds = 80
    progress.update(10)  # two seconds a step
    assert progress.left_text() == "03:00"
    progress.pauses_left = 2
    assert progress.left_text() == "03:00 + 2 evaluations"
    clock.seconds = 110
    progress.pause(30)
    progress.pauses_left = 1
    assert progress.left_text() == "03:30"
    assert progress.units_per_second() == 0.5


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
    assert any("<00:00" in frame and "step/s" in frame for frame in frames)  # the remaining time
    assert "a word between" in text


def test_a_job_without_a_terminal_writes_to_stderr_only():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr.splitlines()[0] == "a word between"
    assert (
        done.stderr.splitlines()[1].startswith("training: 20/20 steps (100%)")
        and len(done.stderr.splitlines()) == 2
    )
