"""The jobs of the check: training, resuming, several ranks and export, as a user starts them."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..display.metrics_file import read_metrics
from .table import FAILED, NOT_COMPARED, NOTE, OK, Row

ROOT = Path(__file__).resolve().parents[3]
STEPS = 10
_RANK_STEPS = 3
# How much a loss of the first step may differ from the CPU's, relative to it. float16 changes the first
# stage's by 0.1% at most (tests/ascend_form/test_graphs.py); it moves proposals, and with them what the
# second stage samples.
_FIRST_STAGE = 0.02
_SECOND_STAGE = 0.25
# The same step computed twice on one device, where sums may be added in another order.
_REPEATED = 0.05


class Jobs:
    """Runs commands in a folder, each with a log file there.

    Args:
        folder: Where everything is written. It holds data/.
        words: KEY=VALUE words and `--config FILE` of every command.
        target: The device: "Ascend", or "CPU" to try the check itself.
        simulated: Whether the device computes nothing.
        has_card: Whether device files of an Ascend card are here, which are there without a simulation level.

    Attributes:
        cards: The number of Ascend cards, once it is known.
    """

    cards = "0"

    def __init__(
        self, folder: Path, words: Sequence[str], target: str, simulated: bool, has_card: bool = False
    ):
        self.folder = folder
        self.words = list(words)
        self.target = target
        self.simulated = simulated
        self.has_card = has_card

    def command(self, name: str, *words: object, **variables: Optional[str]) -> Tuple[Optional[str], float]:
        """(why it failed, or None; the seconds it took) of a command whose output goes to NAME.log.

        Variables that are None are taken away from its environment.
        """
        environment = {**os.environ, **variables}
        log = self.folder / f"{name}.log"
        began = time.perf_counter()
        with log.open("w") as stream:
            done = subprocess.run(
                [str(word) for word in words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
                env={key: value for key, value in environment.items() if value is not None},
            )
        problem = None if done.returncode == 0 else f"exit code {done.returncode}: {last_words(log)}"
        return problem, time.perf_counter() - began

    def train(self, name: str, *words: str, target: Optional[str] = None) -> Tuple[Optional[str], float]:
        """As `command`, of a training whose work folder is NAME."""
        # At a simulation level MindSpore computes nothing on the CPU either.
        variables = {"MS_SIMULATION_LEVEL": None} if target == "CPU" else {}
        return self.command(
            name,
            *(sys.executable, ROOT / "train.py", "--work-dir", name, *self.words),
            *(f"device_target={target or self.target}", "compile_cache=off", *words),
            **variables,
        )

    def rows(self) -> List[Row]:
        """All jobs, one after another; a job that failed does not keep the others from being tried."""
        return [*self.training_rows(), self.resume_row(), self.ranks_row(), *self.export_rows()]

    def training_rows(self) -> List[Row]:
        """One step on the CPU, ten on the device."""
        cpu_problem, _ = self.train("cpu", "max_steps=1", target="CPU")
        words = (f"max_steps={STEPS}", "save_checkpoint_steps=5")
        problem, seconds = self.train("ten_steps", *words)
        name = "ten steps of training"
        if problem is not None:
            return [
                Row("one step against the CPU's losses", FAILED, "see ten steps"),
                Row(name, FAILED, problem),
            ]
        steps = read_steps(self.folder / "ten_steps")
        first = [Row("one step against the CPU's losses", FAILED, f"on the CPU: {cpu_problem}")]
        if cpu_problem is None:
            first = compare_first_step(steps, read_steps(self.folder / "cpu"), self.simulated)
        return [*first, steps_row(name, steps, seconds)]

    def resume_row(self) -> Row:
        """From step 5 to step 10, which has to give the losses of the run without a stop."""
        name = "resume after step 5"
        checkpoints = sorted((self.folder / "ten_steps" / "checkpoint").glob("mask_rcnn-1_5.ckpt"))
        if not checkpoints:
            return Row(name, FAILED, "no checkpoint of step 5")
        problem, _ = self.train("resumed", f"max_steps={STEPS}", f"resume={checkpoints[0]}")
        if problem is not None:
            return Row(name, FAILED, problem)
        straight = read_steps(self.folder / "ten_steps")[5:]
        return compare_resumed(name, read_steps(self.folder / "resumed"), straight, self.simulated)

    def ranks_row(self) -> Row:
        """Two processes; check_sync_steps compares their weights after every step."""
        name = "two ranks, alike after every step"
        if self.simulated and not self.has_card:
            return Row(name, NOT_COMPARED, "not run: at a simulation level ranks do not find each other")
        if self.cards == "1":
            return Row(name, NOTE, "one card is here: not run")
        words = (f"device_target={self.target}", "compile_cache=off")
        words += (f"max_steps={_RANK_STEPS}", "check_sync_steps=1")
        script = ROOT / "scripts" / "run_distribute_train.sh"
        problem, seconds = self.command(
            "two_ranks",
            *("bash", script, "-", *self.words, *words),
            WORKERS="2",
            PYTHON=sys.executable,
            FORCE="1",
            MS_SIMULATION_LEVEL=None,
        )
        if problem is not None:
            return Row(name, FAILED, problem)
        steps = len(read_steps(self.folder / "train_parallel0"))
        if steps != _RANK_STEPS:
            return Row(name, FAILED, f"{steps} steps in metrics.jsonl")
        result = NOT_COMPARED if self.simulated else OK
        return Row(name, result, f"{steps} steps, {seconds:.0f} s with compilation")

    def export_rows(self) -> List[Row]:
        checkpoints = sorted((self.folder / "ten_steps" / "checkpoint").glob("mask_rcnn-1_10.ckpt"))
        rows = []
        for file_format in ("MINDIR", "AIR"):
            name = f"export to {file_format}"
            if not checkpoints:
                rows.append(Row(name, FAILED, "no checkpoint of step 10"))
                continue
            if file_format == "AIR" and not (self.has_card and self.target == "Ascend"):
                rows.append(Row(name, NOT_COMPARED, "not run: AIR needs the graph engine of a card"))
                continue
            # At a simulation level MindSpore starts no graph engine.
            variables = {"MS_SIMULATION_LEVEL": None} if file_format == "AIR" else {}
            problem, seconds = self.command(
                f"export_{file_format.lower()}",
                *(sys.executable, ROOT / "export.py", f"checkpoint_path={checkpoints[0]}"),
                *(f"device_target={self.target}", "--file-format", file_format, "--out", "mask_rcnn"),
                **variables,
            )
            rows.append(Row(name, OK, f"{seconds:.0f} s") if problem is None else Row(name, FAILED, problem))
        return rows


def read_steps(folder: Path) -> List[Dict[str, Any]]:
    """The steps of metrics.jsonl in a run's folder; none where there is no such file."""
    path = folder / "metrics.jsonl"
    return [row for row in read_metrics(path) if "total_loss" in row] if path.exists() else []


def compare_first_step(ours: Sequence[Mapping], theirs: Sequence[Mapping], simulated: bool) -> List[Row]:
    """Rows for the losses of both stages in the first of these steps, of the device and of the CPU."""
    if not ours or not theirs:
        where = "on the device" if theirs else "on the CPU"
        return [Row("one step against the CPU's losses", FAILED, f"no step in metrics.jsonl {where}")]
    got = ours[0]
    want = theirs[0]
    rows = []
    for stage, names, tolerance in (
        ("first", ("rpn_cls_loss", "rpn_reg_loss"), _FIRST_STAGE),
        ("second", ("rcnn_cls_loss", "rcnn_reg_loss", "rcnn_mask_loss"), _SECOND_STAGE),
    ):
        name = f"one step against the CPU's losses, {stage} stage"
        detail = ", ".join(f"{key} {got[key]:.5g} (CPU {want[key]:.5g})" for key in names)
        if simulated:
            rows.append(Row(name, NOT_COMPARED, detail))
            continue
        is_near = all(_is_near(got[key], want[key], tolerance) for key in names)
        detail = f"{detail}; allowed {tolerance:.0%}"
        rows.append(Row(name, OK if is_near else FAILED, detail))
    return rows


def steps_row(name: str, steps: Sequence[Mapping], seconds: float) -> Row:
    """A row for steps that were trained: their number, finite losses, and how long they took."""
    if len(steps) != STEPS:
        return Row(name, FAILED, f"{len(steps)} steps in metrics.jsonl")
    losses = [step["total_loss"] for step in steps]
    if not all(math.isfinite(loss) for loss in losses):
        return Row(name, FAILED, f"losses {losses}")
    median = statistics.median(step["seconds"] for step in steps[2:])
    figures = f"total_loss {losses[0]:.4g} to {losses[-1]:.4g}, {median * 1000:.0f} ms a step (median)"
    return Row(name, OK, f"{figures}, {steps[-1]['memory_gb']} GB, {seconds:.0f} s in all")


def compare_resumed(
    name: str, resumed: Sequence[Mapping], straight: Sequence[Mapping], simulated: bool
) -> Row:
    """A row for a resumed run's steps beside those of the run that was not stopped."""
    places = [[step["step"] for step in steps] for steps in (resumed, straight)]
    if not resumed or places[0] != places[1]:
        return Row(name, FAILED, f"steps {places[0]} instead of {places[1]}")
    pairs = [(one["total_loss"], other["total_loss"]) for one, other in zip(resumed, straight)]
    detail = "total_loss " + ", ".join(f"{one:.5g} ({other:.5g})" for one, other in pairs)
    if simulated:
        return Row(name, NOT_COMPARED, detail)
    is_near = all(_is_near(one, other, _REPEATED) for one, other in pairs)
    return Row(name, OK if is_near else FAILED, f"{detail}; allowed {_REPEATED:.0%}")


def _is_near(one: float, other: float, tolerance: float) -> bool:
    """False where one of them is NaN."""
    return abs(one - other) <= tolerance * max(abs(other), 1e-6)


def last_words(log: Path) -> str:
    """The line of a log that says what went wrong: its last "error:", or its last line."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:")]
    return (errors or lines or ["no output"])[-1][:300] + f" ({log.name})"
