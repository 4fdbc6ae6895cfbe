"""What a request asks for: its query, and which form of the answer it accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence, Tuple

from ..web.problems import bad_request

RLE = "rle"
POLYGONS = "polygons"
NONE = "none"
MASKS = (RLE, POLYGONS, NONE)
JSON = "json"
PNG = "png"
FORMATS = (JSON, PNG)
_MEDIA = {JSON: "application/json", PNG: "image/png"}


@dataclass(frozen=True)
class Wish:
    """What a request asks for.

    Attributes:
        threshold: The lowest score of an object that is told or drawn.
        masks: How masks are told in JSON: "rle", "polygons" or "none".
        format: "json", or "png" for a drawing.
    """

    threshold: float = 0.5
    masks: str = RLE
    format: str = JSON


def read_wish(query: Sequence[Tuple[str, str]], accept: str) -> Wish:
    """What a query and an Accept header ask for.

    Args:
        query: (name, value) pairs.
        accept: The header; the query's `format` goes before it.

    Raises:
        Problem: 400: a name or value that means nothing.
    """
    values = dict(query)
    if len(values) < len(query):
        raise bad_request("the query has a name twice")
    unknown = sorted(set(values) - {"threshold", "masks", "format"})
    if unknown:
        raise bad_request(f"query: {unknown[0]!r} means nothing; known are threshold, masks and format")
    return Wish(
        threshold=_score(values.get("threshold", "0.5")),
        masks=_choice("masks", values.get("masks", RLE), MASKS),
        format=_choice("format", values.get("format") or preferred_format(accept), FORMATS),
    )


def preferred_format(accept: str) -> str:
    """The format that an Accept header (RFC 9110, section 12.5.1) prefers; JSON unless it prefers PNG."""
    return PNG if _quality(accept, _MEDIA[PNG]) > _quality(accept, _MEDIA[JSON]) else JSON


def _quality(accept: str, media: str) -> float:
    """How much a header wants a media type, 0 to 1. The most specific of its ranges counts."""
    best = (-1, 0.0)
    for item in accept.split(","):
        name, *parameters = (part.strip() for part in item.lower().split(";"))
        ranges = ("*/*", media.partition("/")[0] + "/*", media)
        if name in ranges:
            best = max(best, (ranges.index(name), _weight(parameters)))
    return best[1]


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise bad_request(f"threshold={text!r}: a score from 0 to 1 expected")
    return value


def _choice(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise bad_request(f"{name}={value!r}: one of {', '.join(choices)} expected")
    return value
