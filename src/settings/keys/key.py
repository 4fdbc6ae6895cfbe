"""`Key`: one configuration key with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple


@dataclass(frozen=True)
class Key:
    """One configuration key. Every fact about a key stands here.

    Attributes:
        name: As it is written.
        default: A default of None means "not set".
        meaning: One line for --keys and docs/configuration.md.
        kind: The type of a value: a type, a 1-tuple `(type,)` for a list of them, or `("word", kind)` for a
            word or that kind. It follows from the default where it is not given.
        choices: The only values of a text.
        words: Values of a text that YAML reads as True and False ("on", "off") but that are meant as words.
        path: A file or folder: `~` is the home folder, and True or False are mistakes.
        alias: The key that this one is another name of.
        low, high: The smallest and largest value, of each item of a list too.
        above: The value has to be larger than this.
        length: How many items a list has.
        derived: A function of all values that gives this key's; the user may write it, but only that value.
        derived_from: What it follows from, for messages; may hold "{key}" for a key's value.
        network: Weights trained with one value are wrong with another. It travels in a checkpoint.
        canvas: How a picture is placed. It travels in a checkpoint, and may be changed.
        exported: Fixed in an exported ONNX file, besides what `network` fixes.
        stored: It changes what a conversion stores.
        per_host: The hosts of one job may have different values.
        per_call: It belongs to one call, not to the run: a resumed run does not take it from its checkpoint.
        in_graph: It changes the compiled graph. False for what says where things are, what a step is given
            (its pictures and its rate) and what is done between steps.
    """

    name: str
    default: Any
    meaning: str
    kind: Any = None
    choices: Tuple[str, ...] = ()
    alias: Optional[str] = None
    words: Tuple[str, ...] = ()
    path: bool = False
    low: Optional[float] = None
    high: Optional[float] = None
    above: Optional[float] = None
    length: Optional[int] = None
    derived: Optional[Callable[[Dict[str, Any]], Any]] = None
    derived_from: str = ""
    network: bool = False
    canvas: bool = False
    exported: bool = False
    stored: bool = False
    per_host: bool = False
    per_call: bool = False
    in_graph: bool = True

    @property
    def type(self):
        return _kind_of(self.default) if self.kind is None else self.kind


def _kind_of(default):
    if isinstance(default, (tuple, list)):
        return (_kind_of(default[0]),)
    return type(default)


def describe_kind(kind) -> str:
    """A kind in words: "a whole number", "'auto' or a number", "a list of texts"."""
    if isinstance(kind, tuple) and len(kind) == 2:
        return f"'{kind[0]}' or {describe_kind(kind[1])}"
    if isinstance(kind, tuple):
        lists = {int: "a list of whole numbers", float: "a list of numbers", str: "a list of texts"}
        return lists.get(kind[0], "a list of lists")
    single = {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        str: "a text",
        dict: "a mapping",
    }
    return single[kind]


def describe_path(key: Key) -> str:
    """What a path key takes, in words: "a path", or "'auto', 'off' or a path"."""
    words = ", ".join(f"'{word}'" for word in key.words)
    return f"{words} or a path" if words else "a path"


def describe_range(key: Key) -> str:
    """The allowed values of a key in words ("0 to 1", "at least 1", "more than 0"); "" where all are."""
    if key.low is not None and key.high is not None:
        return f"{key.low} to {key.high}"
    if key.low is not None:
        return f"at least {key.low}"
    if key.above is not None:
        return f"more than {key.above}"
    return ""
