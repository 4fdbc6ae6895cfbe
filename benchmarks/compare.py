"""Compare this project with torchvision's Mask R-CNN on the same machine, both in turn: ratios of medians.

    python -m benchmarks.compare --peer /path/to/peer/bin/python
    python -m benchmarks.compare --peer /path/to/peer/bin/python --only small-train,small-infer,ops

Run it from the project's folder. The peer's environment holds torch and torchvision
(benchmarks/peer/README.md). Each side runs in a process of its own that draws the same weights and inputs.
`again` is a training step of a second start, whose graph an earlier one compiled and kept (compile_cache);
for all other work the graph is compiled anew.

Prints a Markdown table as it goes. A ratio under 1 is in this project's favour. Ends with exit code 1 where
the two sides did unequal work.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.timing import ROOT

HEADER = (
    "| Work | this project | torchvision | ratio | memory | torchvision | ratio | compilation |\n"
    "|---|---|---|---|---|---|---|---|"
)
COUNTS = ("proposals", "rois", "positive_rois", "parameters", "detections")


class Work(NamedTuple):
    """What is compared: this project's arguments, the peer's, the repeats of a run, and the peer's module."""

    ours: list
    theirs: list
    repeats: int
    peer_module: str = "benchmarks.peer.peer_torchvision"


def all_work() -> dict[str, Work]:
    """{name: work} in the order of the table."""
    sizes = {"256": ("256", "256", 5), "768": ("768", "1280", 3)}
    work = {}
    for size, (height, width, repeats) in sizes.items():
        canvas = ["--height", height, "--width", width]
        for what, ours, theirs in (
            ("train", ["train"], ["train"]),
            ("train60", ["train", "--gts", "60"], ["train", "--gts", "60"]),
            ("infer", ["infer"], ["infer"]),
            ("onnx", ["onnx"], ["infer"]),
        ):
            work[f"{what}-{size}"] = Work([*ours, *canvas], [*theirs, *canvas], repeats)
    for size in sizes:
        work[f"again-{size}"] = work[f"train-{size}"]
    for what, repeats in (("train", 40), ("infer", 20)):
        work[f"small-{what}"] = Work([f"small-{what}"], [what], repeats, "benchmarks.peer.peer_small")
    work["ops"] = Work(["ops"], ["ops"], 5)
    return work


WORK = all_work()


def run(command: Sequence[str]) -> dict:
    """The JSON object on the last line of a command's output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_in_turn(commands: Sequence[Sequence[str]], rounds: int) -> list[list[dict]]:
    """Each command's results, one a round; the commands take turns."""
    results = [[] for _ in commands]
    for _ in range(rounds):
        for command, own in zip(commands, results):
            own.append(run(command))
    return results


def unequal(ours: dict, theirs: dict) -> list[str]:
    """Which counts of the last step differ by more than 2%."""
    return [
        f"{name} {ours[name]} against {theirs[name]}"
        for name in COUNTS
        if name in ours and name in theirs and abs(ours[name] - theirs[name]) > 0.02 * theirs[name]
    ]


def row(name: str, ours: Sequence[dict], theirs: Sequence[dict]) -> str:
    """A table row of the work `name`, from each side's runs."""
    seconds = []
    memory = []
    for side in (ours, theirs):
        seconds.append(statistics.median(second for result in side for second in result["seconds"]))
        memory.append(max(result["peak_rss_mb"] for result in side) / 1024)
    compiled = statistics.median(result["compile_seconds"] for result in ours)
    return (
        f"| {name} | {seconds[0]:.3g} s | {seconds[1]:.3g} s | **{seconds[0] / seconds[1]:.2f}** "
        f"| {memory[0]:.1f} GB | {memory[1]:.1f} GB | **{memory[0] / memory[1]:.2f}** | {compiled:.0f} s |"
    )


def operator_rows(ours: Sequence[dict], theirs: Sequence[dict]) -> list[str]:
    """A table row of each operator that both sides have timed."""
    rows = []
    for name in (key for key in ours[0] if key in theirs[0] and isinstance(ours[0][key], float)):
        a, b = (statistics.median(result[name] for result in side) for side in (ours, theirs))
        rows.append(f"| {name} | {a:.1f} ms | {b:.1f} ms | **{a / b:.2f}** | | | | |")
    return rows


def compare(name: str, peer: str, rounds: int, threads: str) -> list[str]:
    """Run the work `name` on both sides and print its rows; returns which counts differ."""
    work = WORK[name]
    options = ["--repeats", str(work.repeats), "--threads", threads]
    our_command = [sys.executable, "-m", "benchmarks.step_time", *work.ours, *options]
    their_command = [peer, "-m", work.peer_module, *work.theirs, *options]
    with tempfile.TemporaryDirectory() as graphs:
        if name.startswith("again"):
            our_command.append(f"compile_cache={graphs}")
            run(our_command)  # the first start
        ours, theirs = run_in_turn([our_command, their_command], rounds)
    if name == "ops":
        print("\n".join(operator_rows(ours, theirs)), flush=True)
        return []
    print(row(name, ours, theirs), flush=True)
    return unequal(ours[-1], theirs[-1])


def main() -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m benchmarks.compare", description=__doc__, formatter_class=formatter
    )
    parser.add_argument(
        "--peer", required=True, metavar="PYTHON", help="interpreter with torch and torchvision"
    )
    parser.add_argument("--only", default=",".join(WORK), metavar="NAMES", help=f"some of {','.join(WORK)}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", default="2")
    args = parser.parse_args()
    names = args.only.split(",")
    unknown = set(names) - set(WORK)
    if unknown:
        parser.error(f"unknown work {sorted(unknown)}")
    print(HEADER, flush=True)
    differences = []
    for name in names:
        texts = compare(name, args.peer, args.rounds, args.threads)
        differences += [f"{name}: {text}" for text in texts]
    for difference in differences:
        print(f"unequal work: {difference}", file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
