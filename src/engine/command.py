"""The command line of the entry points: `--config FILE`, `--work-dir DIR` and KEY=VALUE words."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, Dict, Iterable, List, NoReturn, Optional, Sequence, Tuple

from ..config import KEYS, Config, load_config
from ..errors import ConfigError
from .prediction.inputs import PICTURE_SUFFIXES, VIDEO_SUFFIXES

_PATH_METAVARS = ("FILE", "DIR", "SOURCE", "OUT")
# Options that are another way to write a key: {name: key}.
_KEY_OPTIONS = {"tta": "test_tta", "tiles": "test_tiles", "overlap": "test_tile_overlap"}
VIEW_OPTIONS = (
    (
        "--tta",
        {
            "metavar": "flip,scales",
            "help": "test-time augmentation: show the network each picture mirrored, at other sizes, or both",
        },
    ),
    ("--tiles", {"metavar": "PIXELS", "help": "show a larger picture in tiles of this side too"}),
    (
        "--overlap",
        {"metavar": "SHARE", "help": "how much tiles overlap, a share of their side (default: 0.2)"},
    ),
)
_KEY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


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
        takes_files: Positional words that are not KEY=VALUE are allowed; they are in `args.files`
            (see `is_file_word`).

    Returns:
        (the frozen configuration, the parsed arguments)
    """
    parser = _Parser(
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
    args = _parsed(parser)
    args.files = []
    if takes_files:
        args.files = [_existing(word) for word in args.words if is_file_word(word)]
        args.words = [word for word in args.words if not is_file_word(word)]
    return load_config([*args.words, *_key_words(args)], args.config), args


def parse_words(description: str, options: Iterable[Tuple[str, Dict[str, Any]]]) -> argparse.Namespace:
    """Read the command line of an entry point that has no configuration.

    Args:
        description: The entry point's docstring, which --help shows.
        options: Its arguments: (name, keywords of `add_argument`).
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, keywords in options:
        parser.add_argument(name, **keywords)
    return _parsed(parser)


def _parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of this process; "~" in a path is the home folder."""
    defaults = {
        name: action.const
        for action in parser._actions
        if action.nargs == "?"
        for name in action.option_strings
    }
    args = parser.parse_intermixed_args(_with_defaults(_without_dashes(sys.argv[1:]), defaults))
    for action in parser._actions:
        value = getattr(args, action.dest, None)
        if action.metavar in _PATH_METAVARS and value is not None:
            several = isinstance(value, list)
            paths = list(map(os.path.expanduser, value)) if several else os.path.expanduser(value)
            setattr(args, action.dest, paths)
    return args


def _key_words(args: argparse.Namespace) -> List[str]:
    """KEY=VALUE words of the options that are another way to write a key."""
    words = []
    for name, key in _KEY_OPTIONS.items():
        value = getattr(args, name, None)
        if value is not None:
            words.append(f"{key}=[{value}]" if name == "tta" else f"{key}={value}")
    return words


def is_file_word(word: str) -> bool:
    """Whether a word of the command line names a file, not a setting.

    It does where such a file exists, where the part before "=" cannot be a key ("runs/lr=1/a.jpg"), and where
    it is no key and the word ends as pictures do ("frame_t=0.5.jpg").
    """
    name, equals, _ = word.partition("=")
    if not equals or os.path.isfile(_existing(word)) or not _KEY_NAME.fullmatch(name):
        return True
    is_key = any(key.name == name for key in KEYS)
    return not is_key and os.path.splitext(word)[1].lower() in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)


def _existing(word: str) -> str:
    """The path of a word: `~` is the home folder, unless a file has this name."""
    return word if os.path.exists(word) else os.path.expanduser(word)


def _without_dashes(words: Sequence[str]) -> List[str]:
    """The words without "--". Those after it are no options: for argparse "-a.jpg" becomes "./-a.jpg"."""
    if "--" not in words:
        return list(words)
    end = list(words).index("--")
    literal = [os.path.join(".", word) if word.startswith("-") else word for word in words[end + 1 :]]
    return [*words[:end], *literal]


def _with_defaults(words: Sequence[str], defaults: Dict[str, str]) -> List[str]:
    """The words, with the default of each option that a KEY=VALUE word follows, as that is not its value.

    defaults: {option that may stand alone: its value then}.
    """
    found = []
    for word, following in zip(words, [*words[1:], ""]):
        key = following.partition("=")[0]
        stands_alone = word in defaults and "=" in following and any(key == known.name for known in KEYS)
        found.append(f"{word}={defaults[word]}" if stands_alone else word)
    return found


class _Parser(argparse.ArgumentParser):
    """Mistakes are ConfigErrors of one line, as those of settings are."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help shows how the command is used")


class _ShowKeys(argparse.Action):
    """Prints all keys and ends the command, as --help does, even if arguments are missing."""

    def __call__(self, parser, namespace, values, option_string=None):
        for key in KEYS:
            print(f"{key.name} = {_default_text(key.default)}    {key.meaning}")
        parser.exit()


def _default_text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
