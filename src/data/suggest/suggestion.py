"""`Suggestion`: settings that are suggested together, with their reason and what it rests on."""

from __future__ import annotations

import math
from typing import Any, Dict, NamedTuple

# What a suggestion rests on, and how it is said.
DATA = "from the data"
MEASURED = "measured"  # runs of docs/results.md, for data like theirs
SCALED = "scaled"  # what was measured, in proportion, for data unlike those that were measured
PUBLISHED = "published"  # another project's or a paper's recipe, not run here
DEFAULT = "default"  # nothing here speaks for or against it


class Suggestion(NamedTuple):
    """Settings with one reason.

    Attributes:
        settings: {key: value}.
        reason: one line with the numbers it rests on.
        basis: DATA, MEASURED, SCALED, PUBLISHED or DEFAULT.
    """

    settings: Dict[str, Any]
    reason: str
    basis: str


def counted(number: int, noun: str) -> str:
    """A number of things: "1 picture", "2 pictures"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def round_up(value: float, step: int) -> int:
    """The smallest multiple of `step` that is at least `value`."""
    return math.ceil(value / step) * step


def between(low: int, value: int, high: int) -> int:
    """`value`, or the nearer end of the range."""
    return max(low, min(value, high))
