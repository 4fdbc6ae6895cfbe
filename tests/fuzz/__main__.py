"""Draw data sets with two to four faults each, and try them.

    python -m tests.fuzz --count 200 --seed 1                 # through the commands: about a minute each
    python -m tests.fuzz --count 200 --seed 1 --in-process    # reading, conversion, evaluation's reader
    python -m tests.fuzz --count 1 --seed 17 --keep DIR       # one of them, whose files stay in DIR

Prints a line for each data set: its seed and faults, and how the commands ended. What must not be (a stack
trace, another exit code than 0, 1 or 2, an error of several lines, objects of evaluation that are not
training's) is printed below it. The exit code is 1 if there was any, else 0.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import List, NamedTuple

from src.engine.entry import run_main
from tests.fuzz.all_faults import draw_faulty_set
from tests.fuzz.commands import Commands, failures_of
from tests.fuzz.drawn_set import DrawnSet
from tests.fuzz.in_process import Failure, try_in_process


class Trial(NamedTuple):
    """What became of a data set.

    Attributes:
        summary: how each step ended, in a few words.
        failures: what must not be.
    """

    summary: str
    failures: List[Failure]


def try_here(data: DrawnSet, folder: Path) -> Trial:
    """In this process, without a network."""
    data.write(folder / "data")
    (folder / "out").mkdir()
    steps = try_in_process(folder / "data", data.words, folder / "out")
    refused = [name for name, outcome in steps.outcomes.items() if outcome != "ok"]
    return Trial(f"refused: {', '.join(refused)}" if refused else "all done", steps.failures)


def try_commands(commands: Commands, data: DrawnSet, folder: Path) -> Trial:
    """Through the commands."""
    runs = commands.try_set(data, folder)
    for run in runs:
        (folder / f"{run.name.replace(' ', '_')}.txt").write_text(run.output, encoding="utf-8")
    return Trial(
        ", ".join(f"{run.name} {run.code} in {run.seconds:.0f} s" for run in runs), failures_of(runs)
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="data sets (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed (default: 1)")
    parser.add_argument("--in-process", action="store_true", help="without the commands")
    parser.add_argument("--keep", type=Path, help="folder for data sets, outputs and compiled graphs")
    args = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary)
        commands = Commands(root / "graphs", root / "graphs" / "cache")
        for seed in range(args.seed, args.seed + args.count):
            start = time.time()
            data = draw_faulty_set(seed)
            folder = root.absolute() / f"seed_{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            trial = try_here(data, folder) if args.in_process else try_commands(commands, data, folder)
            print(
                f"seed {seed}: {', '.join(data.faults)}: {trial.summary} ({time.time() - start:.1f} s)",
                flush=True,
            )
            for failure in trial.failures:
                print(f"  FAILURE in {failure.step}: {failure.text.rstrip()}", flush=True)
            failed += bool(trial.failures)
            if args.keep is None:
                shutil.rmtree(folder)
    print(f"{args.count} data sets, {failed} with failures", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    run_main(main)
