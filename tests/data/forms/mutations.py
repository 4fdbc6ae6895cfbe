"""Label files changed at random: most stay readable, with a few odd values."""

from __future__ import annotations

import codecs
import json
import re

import cv2
import numpy as np

from tests.data.annotations.drawn_files import ODD_VALUES

_ODD_TEXTS = [
    *("", "nan", "1e400", "-5", "0", "x", "9" * 400, "1,2;3", "1,2;3,4;5,6"),
    *("true", "\u0661", "a.jpg", "../a"),
]
_ATTRIBUTE = re.compile(r'"[^"<>]*"')


def mutated(data: bytes, suffix: str, rng: np.random.Generator) -> bytes:
    """A label file's bytes, changed in one to three places.

    Args:
        data: the file as it should be.
        suffix: how its name ends; it tells what its values are.
        rng: draws the changes.
    """
    if rng.random() < 0.25:
        return _changed_bytes(data, rng)
    if suffix == ".json":
        return _changed_json(data, rng)
    if suffix in (".png", ".tif"):
        return _changed_picture(data, suffix, rng)
    return _changed_text(data, rng)


def _changed_bytes(data, rng):
    position = int(rng.integers(len(data) + 1))
    kind = rng.integers(6)
    if kind == 0:
        return data[:position]
    if kind == 1:
        return b""
    if kind == 2:
        return data[:position] + rng.bytes(int(rng.integers(1, 20))) + data[position:]
    if kind == 3:
        return data[:position] + rng.bytes(1) + data[position + 1 :]
    if kind == 4:
        return codecs.BOM_UTF8 + data
    return data.decode("latin-1").encode("utf-16")


def _spots(value):
    """All (container, key) within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _spots(item)


def _changed_json(data, rng):
    content = json.loads(data)
    for _ in range(int(rng.integers(1, 4))):
        spots = list(_spots(content))
        if not spots:
            break
        container, key = spots[int(rng.integers(len(spots)))]
        kind = rng.integers(4)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, list):
            container.append(container[key])
        else:
            container[key] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    return json.dumps(content).encode()


def _changed_text(data, rng):
    """XML, or rows of words: an attribute, a word or a piece is changed."""
    text = data.decode()
    for _ in range(int(rng.integers(1, 4))):
        odd = _ODD_TEXTS[int(rng.integers(len(_ODD_TEXTS)))]
        pattern = _ATTRIBUTE if rng.random() < 0.7 else re.compile(r"[\w.]+")
        found = list(pattern.finditer(text))
        if not found:
            break
        spot = found[int(rng.integers(len(found)))]
        quoted = f'"{odd}"' if pattern is _ATTRIBUTE else odd
        text = text[: spot.start()] + ("" if rng.random() < 0.1 else quoted) + text[spot.end() :]
    return text.encode()


def _changed_picture(data, suffix, rng):
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    kind = rng.integers(7)
    if kind == 0:
        values = np.zeros_like(values)
    elif kind == 1:
        values = values[: int(rng.integers(1, len(values)))]
    elif kind == 2:
        values = rng.integers(0, 256, values.shape, np.uint8)
    elif kind == 3:
        values = np.repeat(values[..., None], int(rng.choice([3, 4])), 2)
    elif kind == 4:
        values = values.astype(np.uint16) * 257
    elif kind == 5:
        values = values.T
    else:
        values = values.copy()
        values[rng.integers(len(values))] = rng.integers(0, 60_000) % (int(np.iinfo(values.dtype).max) + 1)
    done, changed = cv2.imencode(suffix, np.ascontiguousarray(values))
    assert done
    return changed.tobytes()
