"""How long an Ascend card waits for its host between two steps of train.py, measured without a card.

    python -m benchmarks.ascend_loop [--busy MS] [--against COMMIT] [--rounds N] [KEY=VALUE ...]

train.py trains on drawn pictures of 640x480, with its data workers on the same cores, on the stand-ins of
CANN's libraries (`tests/ascend/standin/build.py`). They compute nothing, so a step's losses are held back
until the card has been busy for `--busy` milliseconds. What is printed, medians of steps:

- the gap: from the losses of a step to the call that launches the next; the card has nothing to do then;
- the step: from a launch to the next.

What a launch itself takes (`benchmarks/ascend_host.py`) is in the step and not in the gap.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.ascend_host import check_out, git
from benchmarks.timing import ROOT
from src.data.shapes.drawn_data import draw_shapes
from tests.ascend.standin.build import build, reason_not_to_build

TRAINING = (
    *("coco_classes=auto", "coco_root=data", "pre_trained=", "max_steps=120"),
    *("save_checkpoint_minutes=0", "compile_cache=none"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.ascend_loop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--busy", type=float, default=150.0, metavar="MS", help="default: %(default)s")
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=1, help="processes for each tree")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    if args.rounds < 1:
        parser.error("--rounds: at least 1 expected")
    reason = reason_not_to_build()
    if reason is not None:
        sys.exit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = build(folder / "cann")
        variables.pop("MS_SIMULATION_LEVEL")
        draw_shapes(folder / "data", 300, 2, size=(640, 480), seed=3)
        trees = {"here": ROOT}
        if args.against is not None:
            trees[args.against] = check_out(args.against, folder / "tree")
        words = ["--busy", str(args.busy), *TRAINING, *args.words]
        try:
            reports = {name: [] for name in trees}
            for number in range(args.rounds):
                for name, tree in trees.items():
                    work = ["--work-dir", f"{tree.name}-{number}"]
                    reports[name].append(loop(tree, [*words, *work], folder, variables))
        finally:
            if args.against is not None:
                git("worktree", "remove", "--force", str(trees[args.against]))
    for name, rounds in reports.items():
        gap, step = (
            1e3 * statistics.median(seconds for report in rounds for seconds in report[key])
            for key in ("gaps", "steps")
        )
        print(f"{name}: gap {gap:.2f} ms, step {step:.1f} ms, {len(rounds[0]['gaps'])} steps a process")


def loop(tree: Path, words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> dict:
    """The report of `tests/ascend/programs/loop.py` in a tree, which trains in `folder`."""
    paths = [str(tree), variables["PYTHONPATH"]]
    done = subprocess.run(
        [sys.executable, "-m", "tests.ascend.programs.loop", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)},
    )
    if done.returncode != 0:
        sys.exit(f"error: train.py of {tree} does not end: {done.stderr[-2000:]}")
    report = json.loads(done.stdout.splitlines()[-1])
    if not report["gaps"]:
        sys.exit("error: no step is left to measure; max_steps of more than 21 expected")
    return report


if __name__ == "__main__":
    main()
