r"""Convert labels from any form that can be read to COCO, LabelMe, YOLO or txt; split and join data sets.

    python convert_data.py /data/cats/labelme cats --to coco
    python convert_data.py instances_val2017.json yolo --to yolo --images /data/coco/val2017
    python convert_data.py /data/cats cats --to coco --split .8/.2 --seed 1
    python convert_data.py /data/cats /data/dogs pets --to coco --classes "kitty=cat,bird="

OUT is a new folder, which is there whole or not at all. Pictures are linked (hard links: no space is needed,
and they stay when the source is deleted) or copied. --split keeps each class's share, and near-duplicates in
one split. Several sources become one data set. --classes renames (OLD=NEW), joins (A=X,B=X) and leaves out
(OLD=) classes; it may be a YAML file.

One line a kind says what the form cannot hold. docs/labels.md has the forms and their limits.

Exit code: 0, or 2 with one line about what is wrong.
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES


def options(forms, targets):
    """The arguments of the command. They name the forms, so they are made when these can be imported."""
    return (
        ("sources", {"metavar": "SOURCE", "nargs": "+", "help": "file or folder of a data set"}),
        ("out", {"metavar": "OUT", "help": "folder to write, which is new or empty"}),
        ("--to", {"dest": "target", "choices": targets, "required": True, "help": "form to write"}),
        ("--from", {"dest": "form", "choices": forms, "help": "form of SOURCE (default: found out)"}),
        (
            "--images",
            {"metavar": "DIR", "help": "folder of the pictures, where they are not with the labels"},
        ),
        ("--split-name", {"metavar": "NAME[,...]", "help": "splits of SOURCE to read (default: all)"}),
        (
            "--pictures",
            {
                "choices": ("link", "copy", "none"),
                "default": "link",
                "help": "link: hard links, or copies where links cannot be (default); none: labels alone",
            },
        ),
        ("--split", {"metavar": ".8/.2", "help": "shares of train and val, or of train, val and test"}),
        ("--seed", {"type": int, "default": 0, "metavar": "N", "help": "of the split (default: 0)"}),
        (
            "--hash-distance",
            {
                "type": int,
                "default": 4,
                "metavar": "BITS",
                "help": "pictures whose 64-bit hashes differ in at most so many bits are near-duplicates "
                "(default: 4; -1: none are looked for)",
            },
        ),
        ("--classes", {"metavar": "OLD=NEW,...", "help": "class map, or a YAML file with one"}),
        (
            "--bad-pictures",
            {
                "choices": ("stop", "skip"),
                "default": "stop",
                "help": "skip: leave out pictures that are missing or unusable (default: stop)",
            },
        ),
        ("--overwrite", {"action": "store_true", "help": "replace OUT"}),
    )


def main() -> None:
    from src.data.forms.writers.targets import TARGETS
    from src.engine.command import parse_words
    from src.engine.labels.reading import SOURCE_FORMS

    args = parse_words(__doc__, options(SOURCE_FORMS, tuple(TARGETS)))
    from src.engine.labels.conversion import LabelConversion, convert_data

    convert_data(
        LabelConversion(
            sources=args.sources,
            out=args.out,
            target=args.target,
            form=args.form,
            images=args.images,
            split_names=None if args.split_name is None else args.split_name.split(","),
            pictures=args.pictures,
            split=args.split,
            seed=args.seed,
            distance=args.hash_distance,
            classes=args.classes,
            skip_pictures=args.bad_pictures == "skip",
            overwrite=args.overwrite,
        )
    )


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)
