"""Running the scripts as a user does, with a program in the interpreter's place that records its calls."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = [str(ROOT / "train.py"), "--work-dir", "train_parallel{rank}"]
CORES = sorted(os.sched_getaffinity(0))
# Seconds after which a script is taken to hang. On a crowded machine msrun alone may need half a minute to
# start its processes.
PATIENCE = 300
OWN = (
    "PYTHON",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "FORCE",
    "NO_BIND",
    "RANK_ID",
    "RANK_SIZE",
    "DEVICE_ID",
    "DEVICE_NUM",
    "SERVER_ID",
    "HCCL_CONNECT_TIMEOUT",
    "GLOG_v",
    "WORKERS",
    "NODES",
    "NODE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "RANK_TABLE_FILE",
    "MS_ROLE",
    "ASCEND_HOME_PATH",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
)


def clean_environment(**extra):
    """The environment without the variables that the scripts read.

    This interpreter's folder is first in PATH, because those of a version manager are slow.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in OWN}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**inherited, "PATH": path, **{name: str(value) for name, value in extra.items()}}


def interruptible():
    """Called in a new process: Ctrl-C ends it, even where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_running(pid):
    """Whether a process is there and is no zombie (ended, but its parent has not waited for it)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_end(pids):
    """Whether these processes end within seconds; one that was killed takes a moment."""
    pids = list(pids)
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def wait_until(condition, process):
    """Wait for a condition that a script brings about; fails as soon as the script's process ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the script hangs"
        time.sleep(0.02)


def logs(sandbox):
    """{folder: its log} of all ranks."""
    return {path.parent.name: path.read_text() for path in sandbox.folder.glob("train_parallel*/log")}


class Sandbox:
    """A user's folder, and the calls that a script made of the fake interpreter."""

    def __init__(self, folder):
        self.folder = folder / "my work"
        self.records = folder / "records"
        self.folder.mkdir()
        self.records.mkdir()
        command = shlex.join([sys.executable, str(Path(__file__).with_name("fake_python.py"))])
        self.python = executable(folder / "bin dir" / "fake python", f'#!/bin/sh\nexec {command} "$@"\n')

    def environment(self, do, extra):
        return clean_environment(
            **{
                "PYTHON": self.python,
                "FAKE_PYTHON_RECORD": self.records,
                "FAKE_PYTHON_DO": json.dumps(do or {}),
                **extra,
            }
        )

    def run(self, script, *words, do=None, **extra):
        """The finished process of `bash scripts/SCRIPT WORD...`.

        Args:
            do: {rank: what the fake interpreter does}, see fake_python.py.
            extra: Environment variables.
        """
        return subprocess.run(
            ["bash", ROOT / "scripts" / script, *map(str, words)],
            cwd=self.folder,
            env=self.environment(do, extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def start(self, script, *words, do=None, **extra):
        return subprocess.Popen(
            ["bash", ROOT / "scripts" / script, *map(str, words)],
            cwd=self.folder,
            env=self.environment(do, extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=interruptible,
        )

    def calls(self):
        """The fake interpreter's records, by rank."""
        found = [json.loads(path.read_text()) for path in self.records.glob("*.json")]
        return sorted(found, key=lambda call: int(call["env"].get("RANK_ID") or -1))

    def ranks(self):
        """`calls` without MindSpore's scheduler, which is started with the same words."""
        return [call for call in self.calls() if call["env"].get("MS_ROLE") != "MS_SCHED"]

    def signals(self):
        return [json.loads(path.read_text()) for path in self.records.glob("*.signal")]

    def wait_for_calls(self, count, process):
        """Until the fake interpreter was started so often; fails as soon as the script's process ends."""

        def are_there():
            return len(list(self.records.glob("*.json"))) >= count

        wait_until(are_there, process)

    def forget(self):
        for path in self.records.iterdir():
            path.unlink()

    def rank_table(self, devices, servers=("10.1.2.3",)):
        """A rank table with these device ids on each of the servers."""
        ranks = iter(range(len(devices) * len(servers)))
        table = {
            "version": "1.0",
            "server_count": str(len(servers)),
            "status": "completed",
            "server_list": [
                {
                    "server_id": server,
                    "device": [{"device_id": str(device), "rank_id": str(next(ranks))} for device in devices],
                }
                for server in servers
            ],
        }
        path = self.folder / "rank table.json"
        path.write_text(json.dumps(table))
        return path


@pytest.fixture
def sandbox(tmp_path):
    return Sandbox(tmp_path)


@pytest.fixture
def bare_python(tmp_path, monkeypatch):
    """The first python3 on PATH has the standard library alone, as a system's own has. Returns its folder."""
    folder = tmp_path / "bare python"
    executable(folder / "python3", f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder
