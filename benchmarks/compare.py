"""This project against torchvision's Mask R-CNN on the same machine: both in turn (A B A B), then the ratios of their medians.

    python benchmarks/compare.py --peer /path/to/peer/bin/python
    python benchmarks/compare.py --peer /path/to/peer/bin/python --only train-256,infer-256,ops

'again' is a training step of a second start, whose graph an earlier one compiled and kept (compile_cache); all other work is compiled anew.

The peer's environment holds torch and torchvision (../shared/bench/README.md). Each side runs in a process of its own that draws the same
weights and inputs. Prints a Markdown table as it goes; a ratio under 1 is in this project's favour. Exit code 1 where the two sides did unequal work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"256": ("--height", "256", "--width", "256"), "768": ("--height", "768", "--width", "1280")}
# name: (this project's words, the peer's, repeats a run)
WORK = {
    f"{what}-{size}": ([*ours, *SIZES[size]], [*theirs, *SIZES[size]], 5 if size == "256" else 3)
    for size in SIZES
    for what, ours, theirs in (
        ("train", ["train"], ["train"]),
        ("train60", ["train", "--gts", "60"], ["train", "--gts", "60"]),
        ("infer", ["infer"], ["infer"]),
        ("onnx", ["onnx"], ["infer"]),
    )
}
WORK |= {f"again-{size}": WORK[f"train-{size}"] for size in SIZES}
WORK["ops"] = (["ops"], ["ops"], 5)
COUNTS = ("proposals", "rois", "positive_rois")


def run(command):
    """The JSON object on the last line of a command's output."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_turn(commands, rounds):
    """Each command's answers, one a round, the commands taking turns."""
    answers = [[] for _ in commands]
    for _ in range(rounds):
        for command, found in zip(commands, answers):
            found.append(run(command))
    return answers


def unequal(ours, theirs):
    """Which counts of the last step differ by more than 2%."""
    return [
        f"{name} {ours[name]} against {theirs[name]}"
        for name in COUNTS
        if name in theirs and abs(ours[name] - theirs[name]) > 0.02 * theirs[name]
    ]


def row(name, ours, theirs):
    """A table row of the work `name`, from each side's runs."""
    seconds = [
        statistics.median(second for answer in side for second in answer["seconds"])
        for side in (ours, theirs)
    ]
    memory = [max(answer["peak_rss_mb"] for answer in side) for side in (ours, theirs)]
    compiled = statistics.median(answer["compile_seconds"] for answer in ours)
    return (
        f"| {name} | {seconds[0]:.2f} s | {seconds[1]:.2f} s | **{seconds[0] / seconds[1]:.2f}** | {memory[0] / 1024:.1f} GB "
        f"| {memory[1] / 1024:.1f} GB | **{memory[0] / memory[1]:.2f}** | {compiled:.0f} s |"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peer", required=True, metavar="PYTHON", help="interpreter with torch and torchvision"
    )
    parser.add_argument(
        "--bench",
        type=Path,
        default=Path(os.environ.get("MASKRCNN_SHARED") or ROOT.parent / "shared") / "bench",
        metavar="DIR",
        help="folder of peer_torchvision.py",
    )
    parser.add_argument("--only", default=",".join(WORK), metavar="NAMES", help=f"some of {','.join(WORK)}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", default="2")
    args = parser.parse_args()
    unknown = set(args.only.split(",")) - set(WORK)
    if unknown or not (args.bench / "peer_torchvision.py").is_file():
        parser.error(
            f"unknown work {sorted(unknown)}"
            if unknown
            else f"{args.bench}: no peer_torchvision.py there; --bench names its folder"
        )
    print(
        "| Work | this project | torchvision | ratio | memory | torchvision | ratio | compilation |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    faults = []
    for name in args.only.split(","):
        our_words, their_words, repeats = WORK[name]
        both = ["--repeats", str(repeats), "--threads", args.threads]
        our_side = [sys.executable, str(ROOT / "benchmarks" / "step_time.py"), *our_words, *both]
        their_side = [args.peer, str(args.bench / "peer_torchvision.py"), *their_words, *both]
        with tempfile.TemporaryDirectory() as graphs:
            if name.startswith("again"):
                our_side.append(f"compile_cache={graphs}")
                run(our_side)  # the first start
            ours, theirs = in_turn([our_side, their_side], args.rounds)
        if name == "ops":
            for operator in (key for key in ours[0] if key in theirs[0] and isinstance(ours[0][key], float)):
                a, b = (statistics.median(answer[operator] for answer in side) for side in (ours, theirs))
                print(f"| {operator} | {a:.1f} ms | {b:.1f} ms | **{a / b:.2f}** | | | | |", flush=True)
            continue
        print(row(name, ours, theirs), flush=True)
        faults += [f"{name}: {text}" for text in unequal(ours[-1], theirs[-1])]
    for fault in faults:
        print(f"unequal work: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
