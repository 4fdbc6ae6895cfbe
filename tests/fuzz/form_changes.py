"""Changes of label files by random bytes: values, words, pixels, bytes, cuts, encodings."""

from __future__ import annotations

import io
import json
import re

import cv2
import numpy as np
from PIL import Image

from tests.data.annotations.drawn_files import ODD_VALUES, ODD_WORDS, Choices
from tests.fuzz.form_files import SETS, Files

_ODD_XML = [
    "<!ENTITY a 'b'>",
    "<!DOCTYPE a [<!ENTITY a 'b'>]>",
    "&lt;",
    "&a;",
    "<![CDATA[",
    "<!--",
    "<a>" * 200,
]
_ODD_TEXT = [
    "\ufeff",
    "\r\n",
    "\0",
    "\u2028",
    "é",
    "../",
    "[",
    "{",
    "}",
    '"',
    ",",
    ":",
    "*a",
    "&a [*a]",
    "#",
    "---",
    "true",
    "1,2;3",
    "1,2;3,4;5,6",
    "9" * 400,
    "../a",
]
_BETWEEN_TAGS = re.compile(r"(?<=>)[^<>]+(?=<)")
_IN_QUOTES = re.compile(r'(?<=")[^"<>]*(?=")')
_PICTURES = (".png", ".tif")


def drawn_files(name: str, data: bytes) -> Files:
    """A set of files of a form, changed by the choices of `data`."""
    choices = Choices(data)
    files = SETS[name].draw(choices)
    for _ in range(choices.below(4)):
        path = choices.one_of(sorted(files))
        change = choices.one_of([*[_content] * 6, _cut, _byte, _more_bytes, _coding, _gone])
        change(choices, files, path)
    return files


def _content(choices, files, path):
    """What a file says: pixels, values or words."""
    if path.endswith(_PICTURES):
        _pixels(choices, files, path)
    elif choices.below(2):
        _value(choices, files, path)
    else:
        _word(choices, files, path)


def _place(choices, count):
    """One of more places than a byte can name."""
    return (choices.below(256) * 256 + choices.below(256)) % count


def _value(choices, files, path):
    """An odd value in the place of any value of a JSON file; of another file a word."""
    try:
        content = json.loads(files[path])
    except ValueError:
        content = None
    if not isinstance(content, (dict, list)):
        _word(choices, files, path)
        return
    holder = content
    for _ in range(12):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = choices.one_of(keys)
        if not isinstance(holder[key], (dict, list)) or choices.below(8) == 7:
            kind = choices.below(6)
            if kind == 5:
                del holder[key]
            elif kind == 4 and isinstance(holder, list):
                holder.append(holder[key])
            else:
                holder[key] = choices.one_of(ODD_VALUES)
            break
        holder = holder[key]
    files[path] = json.dumps(content).encode()


def _word(choices, files, path):
    """A word, number or mark, replaced, or an odd one put before it."""
    text = files[path].decode("utf-8", "ignore")
    words = []
    # of XML mostly what stands between tags or in quotes: changed tags are soon no XML
    if path.endswith(".xml") and choices.below(4):
        first, second = choices.one_of([(_BETWEEN_TAGS, _IN_QUOTES), (_IN_QUOTES, _BETWEEN_TAGS)])
        words = list(first.finditer(text)) or list(second.finditer(text))
    odd_words = [*ODD_WORDS, *_ODD_TEXT]
    if not words:
        words = list(re.finditer(r"[-\w.]+|[<>/{}\[\]:,]", text))
        odd_words += _ODD_XML
    if not words:
        _byte(choices, files, path)
        return
    word = words[_place(choices, len(words))]
    odd = choices.one_of(odd_words)
    end = word.end() if choices.below(4) else word.start()
    files[path] = (text[: word.start()] + odd + text[end:]).encode("utf-8", "surrogatepass")


def _pixels(choices, files, path):
    """Other pixels, another size, or another kind of picture."""
    values = cv2.imdecode(np.frombuffer(files[path] or b"0", np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2:
        _byte(choices, files, path)
        return
    values = choices.one_of(_PIXEL_CHANGES)(choices, values)
    data = io.BytesIO()
    image = values if isinstance(values, Image.Image) else Image.fromarray(np.ascontiguousarray(values))
    image.save(data, "PNG" if path.endswith(".png") else "TIFF")
    files[path] = data.getvalue()


def _painted_row(choices, values):
    values = values.copy()
    most = int(np.iinfo(values.dtype).max)
    values[choices.below(len(values))] = _place(choices, 60_000) % (most + 1)
    return values


def _noise(choices, values):
    return np.random.default_rng(choices.below(256)).integers(0, 256, values.shape, np.uint8)


def _as_palette(choices, values):
    image = Image.fromarray(values.astype(np.uint8)).convert("P")
    image.putpalette([choices.below(256) for _ in range(3 * choices.one_of([1, 2, 256]))])
    return image


_PIXEL_CHANGES = [
    lambda choices, values: np.zeros_like(values),
    lambda choices, values: values[: 1 + choices.below(len(values))],
    _noise,
    lambda choices, values: np.repeat(values[..., None].astype(np.uint8), choices.one_of([3, 4]), 2),
    lambda choices, values: values.astype(np.uint16) * 257,
    lambda choices, values: values.T,
    _painted_row,
    _painted_row,
    _as_palette,
    lambda choices, values: values > 0,
]


def _cut(choices, files, path):
    files[path] = files[path][: choices.below(256) * len(files[path]) // 256]


def _byte(choices, files, path):
    data = bytearray(files[path])
    if data:
        data[_place(choices, len(data))] = choices.below(256)
    files[path] = bytes(data)


def _more_bytes(choices, files, path):
    data = files[path]
    position = _place(choices, len(data) + 1)
    more = bytes(choices.below(256) for _ in range(choices.below(20)))
    files[path] = data[:position] + more + data[position:]


def _coding(choices, files, path):
    text = files[path].decode("utf-8", "ignore")
    files[path] = text.replace("\n", "\r\n").encode(
        choices.one_of(["utf-8-sig", "utf-16", "utf-32", "latin-1"]), "ignore"
    )


def _gone(choices, files, path):
    del choices
    if len(files) > 1:
        del files[path]
