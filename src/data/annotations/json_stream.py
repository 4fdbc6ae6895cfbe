"""Parsing of JSON files whose large lists are handed over in chunks, to use less memory.

The standard library parses the values. Only the outermost object and its large lists are read here.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError
from typing import Any, Callable, Dict, List

CHUNK_ITEMS = 4096
_skip_space = re.compile(r"[ \t\n\r]*").match


class ItemCount(int):
    """How many items a list had that was handed over in chunks."""


def parse_object(text: str, handlers: Dict[str, Callable[[int, List[Any]], None]]) -> Any:
    """Parse a JSON text as json.loads does, but hand over the lists of some keys in chunks.

    Args:
        text: the JSON text.
        handlers: {key of the outermost object: function}. A list under such a key is handed over as
            function(index of the first item, up to CHUNK_ITEMS items), in the file's order.

    Returns:
        The value. A list that was handed over is an ItemCount in it.

    Raises:
        json.JSONDecodeError: with the position, as json.loads.
        RecursionError: the text is nested too deeply.
    """
    scan = json.JSONDecoder().scan_once
    pos = _skip_space(text, 0).end()
    if text[pos : pos + 1] != "{":
        value, pos = _parse_value(scan, text, pos)
        _expect_end(text, pos)
        return value
    content = {}
    pos = _skip_space(text, pos + 1).end()
    if text[pos : pos + 1] == "}":
        _expect_end(text, pos + 1)
        return content
    while True:
        if text[pos : pos + 1] != '"':
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, pos)
        start = pos
        key, pos = _parse_value(scan, text, pos)
        if key in handlers and key in content:
            raise JSONDecodeError(f"{key!r} for the second time", text, start)
        pos = _skip_space(text, pos).end()
        if text[pos : pos + 1] != ":":
            raise JSONDecodeError("Expecting ':' delimiter", text, pos)
        pos = _skip_space(text, pos + 1).end()
        if key in handlers and text[pos : pos + 1] == "[":
            content[key], pos = _hand_over_list(scan, text, pos, handlers[key])
        else:
            content[key], pos = _parse_value(scan, text, pos)
        pos = _skip_space(text, pos).end()
        delimiter = text[pos : pos + 1]
        if delimiter == "}":
            _expect_end(text, pos + 1)
            return content
        if delimiter != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, pos)
        pos = _skip_space(text, pos + 1).end()


def _parse_value(scan, text, pos):
    """(value, position after it)."""
    try:
        return scan(text, pos)
    except StopIteration as stop:
        raise JSONDecodeError("Expecting value", text, stop.value) from None


def _hand_over_list(scan, text, pos, handler):
    """(ItemCount, position after the list); pos: of its opening bracket."""
    pos = _skip_space(text, pos + 1).end()
    if text[pos : pos + 1] == "]":
        return ItemCount(0), pos + 1
    first = 0
    chunk = []
    while True:
        item, pos = _parse_value(scan, text, pos)
        chunk.append(item)
        pos = _skip_space(text, pos).end()
        delimiter = text[pos : pos + 1]
        if delimiter == ",":
            pos = _skip_space(text, pos + 1).end()
        elif delimiter != "]":
            raise JSONDecodeError("Expecting ',' delimiter", text, pos)
        if delimiter == "]" or len(chunk) == CHUNK_ITEMS:
            handler(first, chunk)
            first += len(chunk)
            chunk = []
            if delimiter == "]":
                return ItemCount(first), pos + 1


def _expect_end(text, pos):
    pos = _skip_space(text, pos).end()
    if pos < len(text):
        raise JSONDecodeError("Extra data", text, pos)
