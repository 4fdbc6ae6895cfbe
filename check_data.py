"""Check a data set before training on it: annotations and pictures are read, nothing of them is changed.

    python check_data.py coco_root=/data/coco
    python check_data.py --config configs/nuclei.yaml coco_root=/data/nuclei --split val
    python check_data.py dataset=other IMAGE_DIR=/data/pictures ANNO_PATH=/data/boxes.txt coco_classes="[background, cat, dog]"
    python check_data.py coco_root=/data/coco check_data=quick --browse 20

Prints each kind of finding with its first places and what is done about it, and the statistics of the data. Writes data_report.json (every
finding: file, line or JSON path, image id, annotation id, what is wrong, what is done), data_report.png (plots) and, with --browse, pictures
with their objects as they are and as training gets them. check_data=full decodes every picture, quick reads their headers and ends, off none.

Exit code: 0 clean, or only fixed; 1 something is left out; 2 training could not start.
"""

from src.engine.command import parse
from src.engine.entry import run_main


def main():
    config, args = parse(
        __doc__,
        options=(
            (
                ("--split",),
                dict(choices=("train", "val"), default="train", help="which split to check (default: train)"),
            ),
            (
                ("--out",),
                dict(metavar="DIR", default=".", help="folder for the report (default: the current one)"),
            ),
            (
                ("--limit",),
                dict(
                    metavar="N",
                    type=int,
                    default=10_000,
                    help="findings of a kind that are listed; all are counted (default: 10000)",
                ),
            ),
            (
                ("--browse",),
                dict(
                    metavar="N",
                    type=int,
                    default=0,
                    help="draw N pictures with their objects, as they are and as training gets them",
                ),
            ),
        ),
    )
    from src.engine.data_report import report_data

    return report_data(config, args.split, args.out, args.limit, args.browse)


if __name__ == "__main__":
    run_main(main)
