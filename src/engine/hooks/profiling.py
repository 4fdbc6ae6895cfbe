"""`profile=N`: where N training steps went, by operator, from MindSpore's own profiler."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import List, Tuple

from ...errors import DataError
from .hook import Hook, Step

SKIPPED = 2  # the first steps compile the graph and load kernels
SHOWN = 15  # operators that are printed
# Parts of the network as they stand in an operator's full name, for instance
# "Default/network-MaskRcnn/backbone-ResNet/.../Conv2D-op3". Gradients keep their scope.
PARTS = (
    "backbone",
    "fpn",
    "rpn",
    "box_head",
    "mask_head",
    "box_align",
    "mask_align",
    "train_proposals",
    "anchor_sampler",
    "roi_sampler",
    "optimizer",
    "average",
    "limits",
)


class Profile(Hook):
    """Runs MindSpore's profiler over some steps, from the third step on.

    The first rank writes profile.csv and prints what took longest. MindSpore's own files, with the timeline
    for chrome://tracing, stay in the folder profile/.

    Args:
        steps: How many steps are profiled, the key `profile`; fewer where the run ends before.
    """

    profiler = None

    def __init__(self, steps: int):
        self.asked_steps = steps

    def before_train(self, trainer) -> None:
        self.first_step = trainer.global_step + SKIPPED
        self.steps = min(self.asked_steps, trainer.total_steps - self.first_step)
        self.seconds = 0.0
        self.data_seconds = 0.0
        if self.steps < 1 and trainer.device.rank == 0:
            print(
                f"profile={self.asked_steps}: the run ends before step {SKIPPED + 1}, "
                "where profiling would begin",
                flush=True,
            )

    def after_step(self, trainer, step: Step) -> None:
        if trainer.device.rank != 0 or self.steps < 1:
            return
        if step.global_step == self.first_step:
            self.profiler = start_profiler(trainer.work_dir / "profile", self.steps)
        elif self.profiler is not None:
            self.seconds += step.seconds
            self.data_seconds += step.data_seconds
            self.profiler.step()
            if step.global_step == self.first_step + self.steps:
                self.close(trainer)
                report(trainer.work_dir, self.steps, self.seconds, self.data_seconds)

    def close(self, trainer) -> None:
        if self.profiler is not None:
            self.profiler.stop()
            self.profiler = None


def start_profiler(folder: Path, steps: int):
    """MindSpore's profiler, started. Call its `step` after each of `steps` steps, and then `stop`."""
    from mindspore.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

    return profile(
        activities=[ProfilerActivity.CPU, ProfilerActivity.NPU],
        on_trace_ready=tensorboard_trace_handler(str(folder)),
        schedule=schedule(wait=0, warmup=0, active=steps, repeat=1),
    )


def report(work_dir: Path, steps: int, seconds: float, data_seconds: float) -> None:
    """Write profile.csv from MindSpore's table of operators and print its head.

    Args:
        work_dir: The run's folder, which holds profile/.
        steps: How many steps were profiled.
        seconds: The wall time of all of them.
        data_seconds: The time spent waiting for their pictures.

    Raises:
        DataError: profile.csv cannot be written.
    """
    tables = sorted(Path(work_dir).glob("profile/*/FRAMEWORK/cpu_op_detail_info_*.csv"))
    if not tables:
        print(f"profile: MindSpore's tables of {steps} steps are in {Path(work_dir) / 'profile'}", flush=True)
        return
    rows = operator_table(tables[-1], steps)
    path = Path(work_dir) / "profile.csv"
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("operator", "part", "calls_a_step", "ms_a_step", "share"))
            for operator, part, calls, milliseconds, share in rows:
                writer.writerow((operator, part, f"{calls:g}", f"{milliseconds:.3f}", f"{share:.4f}"))
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; choose a work folder that can be written"
        ) from None
    in_operators = sum(row[3] for row in rows)
    print(
        f"profile of {steps} steps: {1e3 * seconds / steps:.0f} ms a step, operators {in_operators:.0f} ms, "
        f"and {1e3 * data_seconds / steps:.0f} ms waiting for pictures; all in {path}"
    )
    for operator, part, calls, milliseconds, share in rows[:SHOWN]:
        print(f"{100 * share:5.1f}%  {milliseconds:10.2f} ms  {calls:6g} x  {operator} ({part})", flush=True)


def operator_table(path: Path, steps: int) -> List[Tuple[str, str, float, float, float]]:
    """MindSpore's CSV of operators, summed by operator and part of the network.

    Args:
        path: A cpu_op_detail_info CSV (op_type, full_op_name, op_occurrences, op_total_time in ms).
        steps: How many steps it covers.

    Returns:
        Rows (operator, part, calls a step, ms a step, share of all operators), the longest first.
    """
    calls = defaultdict(int)
    times = defaultdict(float)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["op_type"], part_of(row["full_op_name"]))
            calls[key] += int(row["op_occurrences"])
            times[key] += float(row["op_total_time(ms)"])
    total = max(sum(times.values()), 1e-9)
    return [
        (*key, calls[key] / steps, times[key] / steps, times[key] / total)
        for key in sorted(times, key=times.get, reverse=True)
    ]


def part_of(name: str) -> str:
    """The part of the network that an operator belongs to ("other" for none); gradients say "backward"."""
    scopes = re.split(r"[/-]", name)
    part = next((part for part in PARTS if part in scopes), "other")
    return f"{part}, backward" if name.startswith("Gradients") else part
