"""Training jobs of a small network as a user starts them: for resuming, failures and several ranks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from src.engine.display.loss_lines import read_loss_log
from src.weights.checkpoint_file import read_checkpoint
from tests.conftest import ROOT
from tests.scripts.conftest import interruptible
from tests.small_job import SMALL

STEPS = 60  # of the run that the others are compared with
PATIENCE = 900  # seconds within which anything has to happen, on a crowded machine too
# MindSpore's own timeouts are long, so that only this project's heartbeat monitors act. They count a pause of
# the whole machine as one heartbeat.
QUIET_CLUSTER = {"MS_NODE_TIMEOUT": "600", "MS_HEARTBEAT_RETRY_TIMEOUT": "600"}


class Job:
    """A run in `folder`, in a process group of its own.

    It is a run of train.py, or of run_distribute_train.sh with `workers` processes.
    """

    def __init__(self, folder, *words, workers=None, **environment):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.work = folder / ("train" if workers is None else "train_parallel0")
        command = (
            [sys.executable, str(ROOT / "train.py")]
            if workers is None
            else ["bash", str(ROOT / "scripts" / "run_distribute_train.sh"), "-", ""]
        )
        environment = {
            **os.environ,
            **QUIET_CLUSTER,
            "PYTHON": sys.executable,
            "WORKERS": str(workers),
            **environment,
        }
        self.output = open(folder / f"output{len(list(folder.glob('output*')))}", "w+")
        self.process = subprocess.Popen(
            [*command, *SMALL, "norm=gn", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=interruptible,
        )

    def steps(self, rank=0):
        """How many lines its loss log has."""
        log = (
            self.folder
            / ("train" if self.work.name == "train" else f"train_parallel{rank}")
            / f"loss_{rank}.log"
        )
        return len(log.read_text().splitlines()) if log.exists() else 0

    def wait_for_step(self, count):
        """Until `count` steps are logged; an AssertionError with its output if it ends before."""
        deadline = time.monotonic() + PATIENCE
        while self.steps() < count:
            assert self.process.poll() is None and time.monotonic() < deadline, self.text()
            time.sleep(0.01)

    def kill(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)

    def end(self, code):
        """Its output, once it has ended with `code`. MindSpore's own notices are no part of it."""
        try:
            self.process.wait(PATIENCE)
        finally:
            self.close()
        text = self.text()
        assert self.process.returncode == code, f"exit code {self.process.returncode}\n{text}"
        assert code or not re.search(r"\[(WARNING|INFO)\]", text), text
        return text

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def text(self):
        return Path(self.output.name).read_text()[-8000:]


def processes_with(word, below=None):
    """Ids of the processes with `word` in their command line; `below`: only children of this process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if word in command and stat[0] != "Z" and (below is None or int(stat[1]) == below):
                found.append(int(folder.name))
    return found


def losses(log):
    """float [steps, 8] and [(epoch, step)] of a loss log."""
    rows = read_loss_log(log)
    return np.array([[row[name] for name in row if name.endswith("loss")] for row in rows]), [
        (row["epoch"], row["step"]) for row in rows
    ]


def weights(checkpoint):
    entries, _, _ = read_checkpoint(checkpoint)
    return {name: value.asnumpy() for name, value in entries.items()}


def assert_equal_runs(log, other, rtol=1e-5):
    """Two loss logs with the same steps and the same losses; the log rounds to 1e-5."""
    (values, steps) = losses(log)
    (others, other_steps) = losses(other)
    assert steps == other_steps
    np.testing.assert_allclose(values, others, rtol=rtol, atol=1.01e-5)


def assert_equal_weights(checkpoint, other, tolerance=1e-5):
    values = weights(checkpoint)
    others = weights(other)
    assert values.keys() == others.keys()
    for name in values:
        np.testing.assert_allclose(values[name], others[name], rtol=0, atol=tolerance, err_msg=name)
