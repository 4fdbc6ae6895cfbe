"""What the entry points share: `--config FILE`, `--work-dir DIR` and KEY=VALUE words, and errors as one line."""

from __future__ import annotations

import argparse

from ..config import KEYS, load_config


def parse(description, work_dir=None, options=(), words=True):
    """(the frozen configuration, the parsed arguments) of an entry point.

    description: its docstring, shown by --help; work_dir: the default of --work-dir (None: there is no such option); options: further
    arguments as (names, keywords) of `add_argument`; words=False: the positional words that are not KEY=VALUE stay in `args.rest`.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="every configuration key, with its default and meaning: --keys",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="YAML file of settings, over the defaults of src/config.py"
    )
    parser.add_argument("--keys", action=_ShowKeys, nargs=0, help="list every configuration key and end")
    if work_dir is not None:
        parser.add_argument(
            "--work-dir",
            metavar="DIR",
            default=work_dir,
            help=f"folder for what is written (default: {work_dir})",
        )
    for names, keywords in options:
        parser.add_argument(*names, **keywords)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings over those of --config")
    args = parser.parse_intermixed_args()
    args.rest = []
    if not words:
        args.rest = [word for word in args.words if "=" not in word]
        args.words = [word for word in args.words if "=" in word]
    return load_config(args.words, args.config), args


class _ShowKeys(argparse.Action):
    """Ends the command where the option stands, whatever else is missing, as --help does."""

    def __call__(self, parser, namespace, values, option_string=None):
        for key in KEYS:
            print(f"{key.name} = {_shown(key.default)}    {key.meaning}")
        parser.exit()


def _shown(value):
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
