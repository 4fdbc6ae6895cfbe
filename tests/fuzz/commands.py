"""A data set through the commands as users run them, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import numpy as np

from tests.conftest import ROOT
from tests.fuzz.drawn_set import DrawnSet, draw_set
from tests.fuzz.in_process import Failure
from tests.small_job import SMALL

TIMEOUT = 400  # seconds of a command
# Lines that no user should see: stack traces, and warnings that name a line of code.
_FORBIDDEN = re.compile(r"Traceback|^\S+\.py:\d+: \w*Warning", re.M)


class Run(NamedTuple):
    """A command that has ended.

    Attributes:
        name: what was done, as "check train".
        code: its exit code; None if it had to be killed.
        output: stdout and then stderr.
        seconds: how long it took.
    """

    name: str
    code: Optional[int]
    output: str
    seconds: float


class Commands:
    """Runs the commands, and keeps compiled graphs and one trained network.

    Args:
        folder: for the trained network. A second object with the same folder finds it.
        cache: for compiled graphs and kernels.
    """

    def __init__(self, folder: Path, cache: Path):
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cache = Path(cache).absolute()

    def run(self, name: str, folder: Path, command: str, *words: str) -> Run:
        """Run `python COMMAND WORD...` in a folder."""
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.cache), "PYTHONUTF8": "1"}
        start = time.monotonic()
        code = None
        try:
            done = subprocess.run(
                [sys.executable, str(ROOT / command), *words],
                cwd=folder,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired as expired:
            output = (expired.stdout or b"") + (expired.stderr or b"")
        else:
            code = done.returncode
            output = done.stdout + done.stderr
        return Run(name, code, output.decode("utf-8", "backslashreplace"), time.monotonic() - start)

    def checkpoint(self) -> Path:
        """A network that was trained on a data set without faults, with the classes of the drawn ones."""
        folder = self.folder / "clean"
        path = folder / "train" / "checkpoint" / "mask_rcnn-1_2.ckpt"
        if not path.is_file():
            folder.mkdir(exist_ok=True)
            if not (folder / "data").is_dir():
                draw_set(0, np.random.default_rng(0), "polygons").write(folder / "data")
            done = self.run(
                "clean", folder, "train.py", *SMALL, "coco_root=data", "max_steps=2", "batch_size=2"
            )
            assert done.code == 0, done.output
        return path

    def try_set(self, data: DrawnSet, folder: Path) -> List[Run]:
        """Write a data set and run all commands on it.

        Args:
            data: the data set.
            folder: for it and all that the commands write. It has to be empty.

        Returns:
            The commands that ran. Without a checkpoint of its own, the data set is evaluated and predicted
            with the one of `checkpoint`.
        """
        data.write(folder / "data")
        words = [*SMALL, "coco_root=data", "num_parallel_workers=1", *data.words]
        runs = [
            self.run(
                f"check {split}",
                folder,
                "check_data.py",
                *words,
                "--split",
                split,
                "--out",
                split,
                "--browse",
                "2",
            )
            for split in ("train", "val")
        ]
        training = ("max_steps=2", "batch_size=2", "eval_interval=1")
        runs.append(self.run("train", folder, "train.py", *words, *training))
        checkpoints = sorted((folder / "train" / "checkpoint").glob("mask_rcnn-*.ckpt"))
        path = checkpoints[-1] if checkpoints else self.checkpoint()
        known = [f"checkpoint_path={path}", "device_target=CPU"]
        runs.append(self.run("eval", folder, "eval.py", *known, "coco_root=data", *data.words))
        files = (path for path in (folder / "data" / "val2017").rglob("*") if path.is_file())
        pictures = sorted(str(path.relative_to(folder)) for path in files)
        runs.append(self.run("predict", folder, "predict.py", *known, *pictures, "--threshold", "0.01"))
        picture = ["--picture", pictures[0]] if data.seed % 2 and pictures else []
        if checkpoints or picture:
            # else nothing of the data set is in it
            runs.append(self.run("export", folder, "export.py", *known, *picture))
        return runs


def failures_of(runs: List[Run]) -> List[Failure]:
    """What is wrong with the commands of a data set."""
    failures = []
    codes: Dict[str, Optional[int]] = {run.name: run.code for run in runs}
    for run in runs:
        is_check = run.name.startswith("check")
        # 1: check_data.py found something, predict.py left pictures out.
        allowed = (0, 1, 2) if is_check or run.name == "predict" else (0, 2)
        if run.code not in allowed:
            failures.append(Failure(run.name, f"exit code {run.code}\n{run.output[-3000:]}"))
        forbidden = _FORBIDDEN.search(run.output)
        if forbidden:
            failures.append(Failure(run.name, run.output[forbidden.start() :][:4000]))
        errors = [line for line in run.output.splitlines() if line.startswith("error: ")]
        is_reported = is_check and "something is fatal" in run.output
        if run.code == 2 and not is_reported and not (errors and run.output.rstrip().endswith(errors[-1])):
            failures.append(Failure(run.name, f"the error is not the last line\n{run.output[-3000:]}"))
        if len(errors) > (run.code == 2):
            failures.append(
                Failure(run.name, f"{len(errors)} errors with exit code {run.code}\n{run.output[-3000:]}")
            )
    if codes["check train"] == 2 and codes["train"] == 0:
        failures.append(Failure("train", "fatal for check_data.py, but trained"))
    return failures
