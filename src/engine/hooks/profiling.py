"""`profile=N`: where N training steps went, by operator, from MindSpore's own profiler."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

from ...errors import DataError
from .hook import Hook

SKIPPED = 2  # the first steps compile the graph and load kernels
SHOWN = 15  # operators that are printed
# Where an operator belongs, found in its full name, e.g. "Default/network-MaskRcnn/backbone-ResNet/.../Conv2D-op3"; gradients keep their scope.
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
    """Runs MindSpore's profiler over `profile` steps from the third step on; the first rank writes profile.csv and prints what took longest.

    MindSpore's own files, with the timeline for chrome://tracing, stay in the folder profile/.
    """

    profiler = None

    def start(self, run):
        self.begin, self.seconds, self.waited = run.done + SKIPPED, 0.0, 0.0
        self.steps = min(run.config.profile, run.total - self.begin)
        if self.steps < 1 and run.device.rank == 0:
            print(
                f"profile={run.config.profile}: the run ends before step {SKIPPED + 1}, where profiling would begin",
                flush=True,
            )

    def step(self, run, step):
        if run.device.rank != 0 or self.steps < 1:
            return
        if step.done == self.begin:
            self.profiler = start_profiler(run.work_dir / "profile", self.steps)
        elif self.profiler is not None:
            self.seconds, self.waited = self.seconds + step.seconds, self.waited + step.waited
            self.profiler.step()
            if step.done == self.begin + self.steps:
                self.close(run)
                report(run.work_dir, self.steps, self.seconds, self.waited)

    def close(self, run):
        if self.profiler is not None:
            self.profiler.stop()
            self.profiler = None


def start_profiler(folder, steps):
    """MindSpore's profiler, started; its `step` is to be called after each of `steps` steps, and then `stop`."""
    from mindspore.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler

    return profile(
        activities=[ProfilerActivity.CPU, ProfilerActivity.NPU],
        on_trace_ready=tensorboard_trace_handler(str(folder)),
        schedule=schedule(wait=0, warmup=0, active=steps, repeat=1),
    )


def report(work_dir, steps, seconds, waited):
    """Write profile.csv from MindSpore's table of operators and print its head."""
    found = sorted(Path(work_dir).glob("profile/*/FRAMEWORK/cpu_op_detail_info_*.csv"))
    if not found:
        print(f"profile: MindSpore's tables of {steps} steps are in {Path(work_dir) / 'profile'}", flush=True)
        return
    rows = operator_table(found[-1], steps)
    path = Path(work_dir) / "profile.csv"
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("operator", "part", "calls_a_step", "ms_a_step", "share"))
            writer.writerows((*row[:2], f"{row[2]:g}", f"{row[3]:.3f}", f"{row[4]:.4f}") for row in rows)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; choose a work folder that can be written"
        ) from None
    inside = sum(row[3] for row in rows)
    print(
        f"profile of {steps} steps: {1e3 * seconds / steps:.0f} ms a step, operators {inside:.0f} ms, and {1e3 * waited / steps:.0f} ms waiting "
        f"for pictures; all in {path}"
    )
    for operator, part, calls, milliseconds, share in rows[:SHOWN]:
        print(f"{100 * share:5.1f}%  {milliseconds:10.2f} ms  {calls:6g} x  {operator} ({part})", flush=True)


def operator_table(path, steps):
    """Rows (operator, part of the network, calls a step, ms a step, share of all operators), the longest first, of MindSpore's
    cpu_op_detail_info CSV (op_type, full_op_name, op_occurrences, op_total_time in ms) over `steps` steps."""
    calls, times = defaultdict(int), defaultdict(float)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["op_type"], part_of(row["full_op_name"])
            calls[key] += int(row["op_occurrences"])
            times[key] += float(row["op_total_time(ms)"])
    whole = max(sum(times.values()), 1e-9)
    return [
        (*key, calls[key] / steps, times[key] / steps, times[key] / whole)
        for key in sorted(times, key=times.get, reverse=True)
    ]


def part_of(name):
    """The part of the network that an operator's full name lies in, "other" for none; "backward" is said where it is a gradient's."""
    scopes = re.split(r"[/-]", name)
    part = next((part for part in PARTS if part in scopes), "other")
    return f"{part}, backward" if name.startswith("Gradients") else part
