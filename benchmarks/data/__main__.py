"""Measure the data side. Each subcommand is a module of this folder.

    python -m benchmarks.data --help python -m benchmarks.data convert                 # to MindRecord:
    pictures a second, sizes, resuming; then `index` python -m benchmarks.data check                   #
    picture files: every one decoded, or headers alone python -m benchmarks.data index                   # an
    annotation file of COCO's size, beside pycocotools python -m benchmarks.data feed coco_root=FOLDER   #
    training batches: pictures a second, bytes, memory

Run it from the project's folder. A module has SUMMARY (one line), `add_arguments(parser)` and `run(args)`,
which prints figures that the README can quote.
"""

from __future__ import annotations

import argparse

from benchmarks.data import check, convert, feed, index
from src.engine.entry import run_main

COMMANDS = {"check": check, "convert": convert, "feed": feed, "index": index}


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m benchmarks.data", description=__doc__, formatter_class=formatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.__doc__, formatter_class=formatter
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    run_main(main)
