"""JSON files whose large lists are handed out in pieces, so that COCO's millions of numbers are never Python objects all at once.

Parsing is the standard library's; only the outermost object and the lists named in `streams` are walked here.
"""

from __future__ import annotations

import json
import re
from json import JSONDecodeError

_SPACE = re.compile(r"[ \t\n\r]*").match
PIECE = 4096


class Taken(int):
    """The number of items of a list that was handed out."""


def walk_object(text, streams):
    """The outermost object of a JSON text as {key: value}; a list under a key of `streams` goes to streams[key] instead.

    streams: {key: function(first index, list of up to PIECE items)}, called in the file's order; such a key's value is then the number
    of items, as Taken. A value that is not an object is returned as it is. Raises json.JSONDecodeError, with its place, as json.loads does,
    and RecursionError.
    """
    scan = json.JSONDecoder().scan_once
    pos = _SPACE(text, 0).end()
    if text[pos : pos + 1] != "{":
        value, pos = _value(scan, text, pos)
        _end(text, pos)
        return value
    found = {}
    pos = _SPACE(text, pos + 1).end()
    if text[pos : pos + 1] == "}":
        _end(text, pos + 1)
        return found
    while True:
        if text[pos : pos + 1] != '"':
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, pos)
        start, (key, pos) = pos, _value(scan, text, pos)
        if key in streams and key in found:
            raise JSONDecodeError(f"{key!r} for the second time", text, start)
        pos = _SPACE(text, pos).end()
        if text[pos : pos + 1] != ":":
            raise JSONDecodeError("Expecting ':' delimiter", text, pos)
        pos = _SPACE(text, pos + 1).end()
        if key in streams and text[pos : pos + 1] == "[":
            found[key], pos = _items(scan, text, pos, streams[key])
        else:
            found[key], pos = _value(scan, text, pos)
        pos = _SPACE(text, pos).end()
        mark = text[pos : pos + 1]
        if mark == "}":
            _end(text, pos + 1)
            return found
        if mark != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, pos)
        pos = _SPACE(text, pos + 1).end()


def _value(scan, text, pos):
    try:
        return scan(text, pos)
    except StopIteration as stop:
        raise JSONDecodeError("Expecting value", text, stop.value) from None


def _items(scan, text, pos, take):
    """(number of items, position after the list); pos: of its opening bracket."""
    pos = _SPACE(text, pos + 1).end()
    if text[pos : pos + 1] == "]":
        return Taken(0), pos + 1
    first, piece = 0, []
    while True:
        item, pos = _value(scan, text, pos)
        piece.append(item)
        pos = _SPACE(text, pos).end()
        mark = text[pos : pos + 1]
        if mark == ",":
            pos = _SPACE(text, pos + 1).end()
        elif mark != "]":
            raise JSONDecodeError("Expecting ',' delimiter", text, pos)
        if mark == "]" or len(piece) == PIECE:
            take(first, piece)
            first, piece = first + len(piece), []
            if mark == "]":
                return Taken(first), pos + 1


def _end(text, pos):
    pos = _SPACE(text, pos).end()
    if pos < len(text):
        raise JSONDecodeError("Extra data", text, pos)
