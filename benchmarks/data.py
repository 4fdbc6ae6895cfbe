"""Measure the data side. Each subcommand is a module benchmarks/data_NAME.py.

    python benchmarks/data.py --help
    python benchmarks/data.py convert      # to MindRecord: pictures a second, sizes, going on after a kill; then `index`
    python benchmarks/data.py check        # picture files: every one decoded, or headers alone
    python benchmarks/data.py index        # an annotation file of COCO's size: read, checked, indexed; pycocotools beside it
    python benchmarks/data.py feed coco_root=FOLDER          # training batches: pictures a second, bytes, memory

A module has SUMMARY (one line), `add_arguments(parser)` and `run(args)`, which prints figures that the README can quote.
"""

import argparse
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for path in sorted(Path(__file__).parent.glob("data_*.py")):
        module = importlib.import_module(f"benchmarks.{path.stem}")
        command = commands.add_parser(
            path.stem[len("data_") :],
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from src.engine.entry import run_main

    run_main(main)
