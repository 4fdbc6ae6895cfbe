"""The command line of the entry points: `--config FILE`, `--work-dir DIR` and KEY=VALUE words."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterable, Optional, Tuple

from ..config import KEYS, Config, load_config


def parse(
    description: str,
    work_dir: Optional[str] = None,
    options: Iterable[Tuple[str, Dict[str, Any]]] = (),
    takes_files: bool = False,
) -> Tuple[Config, argparse.Namespace]:
    """Read the command line of an entry point.

    Args:
        description: The entry point's docstring, which --help shows.
        work_dir: The default of --work-dir; None: there is no such option.
        options: Further arguments: (name, keywords of `add_argument`).
        takes_files: Positional words that are not KEY=VALUE are allowed; they are in `args.files`.

    Returns:
        (the frozen configuration, the parsed arguments)
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
    for name, keywords in options:
        parser.add_argument(name, **keywords)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings over those of --config")
    args = parser.parse_intermixed_args()
    args.files = []
    if takes_files:
        args.files = [word for word in args.words if "=" not in word]
        args.words = [word for word in args.words if "=" in word]
    return load_config(args.words, args.config), args


class _ShowKeys(argparse.Action):
    """Prints all keys and ends the command, as --help does, even if arguments are missing."""

    def __call__(self, parser, namespace, values, option_string=None):
        for key in KEYS:
            print(f"{key.name} = {_default_text(key.default)}    {key.meaning}")
        parser.exit()


def _default_text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
