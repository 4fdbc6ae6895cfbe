"""Jobs of several ranks, as a user starts them, for the tests of this folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from src.weights.checkpoint_file import read_training
from tests.conftest import ROOT
from tests.engine.jobs import PATIENCE, QUIET_CLUSTER, Job, processes_with


def two_ranks(folder, words, *more, **environment):
    """A job of two ranks with one picture each, so that a step has the pictures of one process with two."""
    words = [word for word in words if not word.startswith("batch_size")]
    return Job(folder, *words, "batch_size=1", "check_sync_steps=10", *more, workers=2, **environment)


def rank_process(folder, rank):
    """The id of the Python process that is this rank of a job in `folder`."""
    for pid in processes_with("train.py --work-dir"):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            is_here = os.path.samefile(f"/proc/{pid}/cwd", folder)
        except OSError:
            continue
        is_rank = b"MS_ROLE=MS_WORKER" in environment and b"RANK_ID=%d" % rank in environment
        if is_here and is_rank and command[0].endswith(b"python"):
            return pid
    raise AssertionError(f"no process is rank {rank}")


def newest_state(folder):
    """The state of the newest checkpoint of a job."""
    paths = (folder / "train_parallel0" / "checkpoint").glob("*.ckpt")
    return max((read_training(path).state for path in paths), key=lambda state: state["done"])


def run_with_msrun(folder, script, *words, check=True):
    """Run a script as two ranks; their output is in msrun/."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mindspore.parallel.cluster.run",
            "--worker_num=2",
            "--local_worker_num=2",
            "--join=True",
            f"--master_port={free_port()}",
            "--log_dir=msrun",
            script,
            *words,
        ],
        cwd=folder,
        env={
            **os.environ,
            **QUIET_CLUSTER,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        timeout=PATIENCE,
        check=check,
        capture_output=check,
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
