r"""Check a data set before training on it. Annotations and pictures are read, nothing of them is changed.

    python check_data.py coco_root=/data/coco
    python check_data.py --config configs/nuclei.yaml coco_root=/data/nuclei --split val
    python check_data.py dataset=other IMAGE_DIR=/data/pictures ANNO_PATH=/data/boxes.txt \
        coco_classes="[background, cat, dog]"
    python check_data.py coco_root=/data/coco check_data=quick --browse 20
    python check_data.py coco_root=/data/cats coco_classes=auto --suggest cats.yaml

Prints each kind of finding with its first locations and what is done about it, and the statistics of the
data.

Writes data_report.json (every finding: file, line or JSON path, image id, annotation id, what is wrong, what
is done), data_report.png (plots) and, with --browse, pictures with their objects as they are and as training
gets them.

--suggest FILE also writes settings for this data set, each with its reason, as a file for train.py --config:
canvas, anchors, network, batch, schedule and what follows from them. They are for the machine's device
(device_target=CPU or Ascend: for that one), and from scratch (pre_trained=FILE: from these weights).

check_data=full decodes every picture, check_data=quick reads their headers and ends, check_data=off reads
none.

Exit code: 0: no finding, or only corrected ones; 1: something is left out; 2: training could not start.
"""

from src.engine.entry import run_main

OPTIONS = (
    (
        "--split",
        {"choices": ("train", "val"), "default": "train", "help": "which split to check (default: train)"},
    ),
    ("--out", {"metavar": "DIR", "default": ".", "help": "folder for the report (default: the current one)"}),
    (
        "--limit",
        {
            "metavar": "N",
            "type": int,
            "default": 10_000,
            "help": "findings of a kind that are listed; all are counted (default: 10000)",
        },
    ),
    (
        "--browse",
        {
            "metavar": "N",
            "type": int,
            "default": 0,
            "help": "draw N pictures with their objects, as they are and as training gets them",
        },
    ),
    (
        "--suggest",
        {
            "metavar": "FILE",
            "nargs": "?",
            "const": "suggested.yaml",
            "help": "suggest settings for this data set, and write them as a file for train.py "
            "(default: suggested.yaml)",
        },
    ),
)


def main() -> int:
    from src.engine.command import parse

    config, args = parse(__doc__, options=OPTIONS)
    from src.engine.data_report import report_data

    return report_data(config, args.split, args.out, args.limit, args.browse, args.suggest)


if __name__ == "__main__":
    run_main(main)
