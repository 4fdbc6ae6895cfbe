"""What a training step costs the host of an Ascend card, measured without a card.

    python -m benchmarks.ascend_host [--against COMMIT] [--rounds N] [--chip NAME] [KEY=VALUE ...]
    python -m benchmarks.ascend_host --batches 2,4,8,16 [--chip NAME] [KEY=VALUE ...]

A step is compiled and launched by MindSpore's own Ascend backend on stand-ins of CANN's libraries
(`tests/ascend/standin/build.py`), which compute nothing: what is left is the host's work. `--against`
measures the same of another commit in turn, in a work tree of git.

`--batches` prints the memory that is planned for a step of each batch size instead, and the largest batch
that is launched with a card of 32 and of 64 GB, of which a sixteenth is taken: MindSpore takes fifteen
sixteenths of what is free. The search begins at the line through the two largest. The kernels' own scratch
memory is not in it: CANN says how much that is.

Kernels are the nodes of the executed graph but for tuples, loads and order. A reshape is one of them and
launches nothing; some views have to be copied first, which is a launch and no node. "Launched" counts the
calls of CANN. At MindSpore's simulation level there are none: other code runs instead of a kernel's, and two
threads never pause.

Times of a launch are the least of all launches. Other programs only add to them, to the processor's time too:
with both cores busy a launch took three to five times as long, and threads that wait for each other spin.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.timing import ROOT
from src.engine.runtime.card_memory import tells_of_full_memory
from tests.ascend.standin.build import build, reason_not_to_build

LAUNCH = Path("tests") / "ascend"
# The chips that the stand-ins can be: the Ascend 910, and an Atlas A2.
CHIPS = ("Ascend910A", "Ascend910B2")
CARDS_GB = (32, 64)
# The part of a card's memory that MindSpore uses where the stand-ins say that a sixteenth of it is taken.
USABLE = (15 / 16) ** 2
# What is printed of a report: (what it is, how it is computed from the reports of all rounds).
ROWS = (
    ("nodes of the graph", lambda reports: f"{reports[0]['nodes']:,}"),
    ("kernels of the graph", lambda reports: f"{sum(reports[0]['kernels'].values()):,}"),
    ("launched on the card", lambda reports: f"{reports[0]['calls']:,}"),
    ("planned memory, MB", lambda reports: f"{reports[0]['memory_mb']:,}"),
    ("compilation, s", lambda reports: f"{median(reports, 'compile_seconds'):.1f}"),
    ("a launch by the clock, ms", lambda reports: f"{1e3 * least(reports, 'launch_seconds'):.1f}"),
    ("processor's time of a launch, ms", lambda reports: f"{1e3 * least(reports, 'process_seconds'):.1f}"),
    ("busiest thread's part of it, ms", lambda reports: f"{1e3 * least(reports, 'thread_seconds'):.1f}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.ascend_host",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=1, help="processes for each tree")
    parser.add_argument("--launches", type=int, default=60, help="steps that each process launches")
    parser.add_argument("--level", default="O0", help="MindSpore's jit_level")
    parser.add_argument("--simulated", action="store_true", help="at MindSpore's simulation level")
    parser.add_argument("--chip", choices=CHIPS, default="Ascend910B2", help="default: %(default)s")
    parser.add_argument("--batches", type=batch_sizes, metavar="N,N,...", help="two batch sizes or more")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_intermixed_args()
    reason = reason_not_to_build()
    if reason is not None:
        sys.exit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        variables = {**build(Path(folder) / "cann"), "STANDIN_SOC": args.chip}
        if not args.simulated:
            variables.pop("MS_SIMULATION_LEVEL")
        if args.batches is not None:
            for line in memory_lines(args.batches, ["--level", args.level, *args.words], variables):
                print(line, flush=True)
            return
        trees = {"here": ROOT}
        if args.against is not None:
            trees[args.against] = check_out(args.against, Path(folder) / "tree")
        words = ["training", "--launches", str(args.launches), "--level", args.level, *args.words]
        try:
            reports = {name: [] for name in trees}
            for _ in range(args.rounds):
                for name, tree in trees.items():
                    reports[name].append(launch(tree, words, variables))
        finally:
            if args.against is not None:
                git("worktree", "remove", "--force", str(trees[args.against]))
    print("\n".join(table(reports)))


def batch_sizes(text: str) -> list[int]:
    """Two whole numbers or more, the least first, from a text like "2,4,8"."""
    sizes = sorted({int(word) for word in text.split(",")})
    if len(sizes) < 2 or sizes[0] < 1:
        raise argparse.ArgumentTypeError("two batch sizes or more expected, such as 2,4,8")
    return sizes


def memory_lines(batches: Sequence[int], words: Sequence[str], variables: Mapping[str, str]) -> Iterator[str]:
    """The lines that are printed of the memory planned for these batch sizes, each as soon as it is known."""
    planned = {}
    for batch in batches:
        report = launch(ROOT, ["training", "--launches", "1", *words, f"batch_size={batch}"], variables)
        planned[batch] = report["memory_mb"]
        yield f"batch {batch:3}: {planned[batch]:7,} MB, compiled in {report['compile_seconds']:.1f} s"
    for card in CARDS_GB:
        likely = batch_by_line(planned, card * 1024 * USABLE)
        yield f"largest batch on {card} GB: {largest_batch(likely, card, words, variables)}"


def batch_by_line(planned: Mapping[int, float], room: float) -> int:
    """The largest batch whose memory is at most `room`, by the line through the two largest of `planned`."""
    before, last = sorted(planned)[-2:]
    for_one = (planned[last] - planned[before]) / (last - before)
    return max(1, int(last + (room - planned[last]) // for_one))


def largest_batch(likely: int, card_gb: int, words: Sequence[str], variables: Mapping[str, str]) -> int:
    """The largest batch that a card launches, sought from `likely` on; 0 if there is none."""
    card = {**variables, "STANDIN_MEMORY_GB": str(card_gb)}

    def fits(batch):
        done = start(ROOT, ["training", "--launches", "1", *words, f"batch_size={batch}"], card)
        if done.returncode != 0 and not tells_of_full_memory(done.stderr):
            sys.exit(f"error: a step of {batch} pictures does not launch: {done.stderr[-2000:]}")
        return done.returncode == 0

    return largest_that(fits, likely)


def largest_that(fits: Callable[[int], bool], likely: int) -> int:
    """The largest whole number that fits, at least 0, where all below a number that fits do too.

    Args:
        fits: Whether a number from 1 on fits. It is asked as rarely as its answers allow.
        likely: Where the search begins: in steps that double until the answer changes, and then by halves.
    """
    too_large = None
    found = 0
    number = likely
    step = 1
    while too_large is None or too_large - found > 1:
        if fits(number):
            found = number
            number += step
        else:
            too_large = number
            number -= step
        step *= 2
        if too_large is not None and not found < number < too_large:
            number = (found + too_large) // 2
    return found


def check_out(commit: str, folder: Path) -> Path:
    """A work tree of a commit, with this tree's `tests/ascend`."""
    git("worktree", "add", "--detach", str(folder), commit)
    shutil.rmtree(folder / LAUNCH, ignore_errors=True)
    shutil.copytree(ROOT / LAUNCH, folder / LAUNCH)
    return folder


def git(*words: str) -> None:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"error: git {' '.join(words)}: {done.stderr.strip()}")


def launch(tree: Path, words: Sequence[str], variables: Mapping[str, str]) -> dict:
    """The report of `tests/ascend/programs/launch.py` in a tree."""
    done = start(tree, words, variables)
    if done.returncode != 0:
        sys.exit(f"error: the step of {tree} does not launch: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def start(tree: Path, words: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess:
    """`tests/ascend/programs/launch.py` in a tree, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.ascend.programs.launch", *words],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


def median(reports: Sequence[dict], key: str) -> float:
    return statistics.median(report[key] for report in reports)


def least(reports: Sequence[dict], key: str) -> float:
    return min(report[key] for report in reports)


def table(reports: Mapping[str, Sequence[dict]]) -> list[str]:
    """The lines that are printed, a column for each tree."""
    lines = [("", *reports)]
    lines += [(name, *(row(tree) for tree in reports.values())) for name, row in ROWS]
    for title, key in (("kernels by part of the network", "parts"), ("kernels by operator", "kernels")):
        lines.append((f"-- {title}",))
        found = [tree[0][key] for tree in reports.values()]
        names = dict.fromkeys(name for counts in found for name in counts)
        lines += [(name, *(f"{counts.get(name, 0):,}" for counts in found)) for name in names]
    width = max(len(name) for name, *_ in lines)
    return [f"{name:<{width}}" + "".join(f"  {value:>12}" for value in values) for name, *values in lines]


if __name__ == "__main__":
    main()
