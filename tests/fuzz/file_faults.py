"""Faults of the annotation file as a whole."""

from __future__ import annotations

import codecs
from typing import Callable

import numpy as np

from tests.fuzz.drawn_set import DrawnSplit
from tests.fuzz.faults import fault, one


@fault("file", keeps_objects=True)
def byte_order_mark(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.encode = _encoder(one(generator, ("utf-8-sig", "utf-8-sig", "utf-16", "utf-32")))


def _encoder(name: str) -> Callable[[str], bytes]:
    return lambda text: text.encode(name)


@fault("file", keeps_objects=True)
def utf16_without_mark(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.encode = _encoder(one(generator, ("utf-16-le", "utf-16-be", "utf-32-le")))


@fault("file", weight=0.5)
def byte_order_mark_of_another_encoding(split: DrawnSplit, generator: np.random.Generator) -> None:
    mark = one(
        generator, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8 * 2, codecs.BOM_UTF32_LE)
    )
    split.encode = lambda text: mark + text.encode()


@fault("file")
def raw_unicode(split: DrawnSplit, generator: np.random.Generator) -> None:
    """Letters as themselves instead of escapes, in UTF-8 or an older encoding."""
    encoding = one(generator, ("utf-8", "utf-8", "latin-1", "gbk"))
    name = one(generator, ("école", "Übung"))
    split.raw["@unicode"] = f'"{name}"'
    for entry in split.categories[:1]:
        entry["name"] = "@unicode"
    split.encode = lambda text: text.encode(encoding, "replace")


@fault("file", weight=0.3)
def file_cut_off(split: DrawnSplit, generator: np.random.Generator) -> None:
    share = float(generator.uniform(0.1, 0.99))
    split.encode = lambda text: text[: int(share * len(text))].encode()


@fault("file", weight=0.3)
def file_not_there(split: DrawnSplit, generator: np.random.Generator) -> None:
    split.encode = None


@fault("file", weight=0.4)
def file_of_another_form(split: DrawnSplit, generator: np.random.Generator) -> None:
    text = one(
        generator, ("", " ", "[]", "{}", "null", "7", '"text"', "[" * 100_000, "{" * 3, "<xml/>", "\x00" * 50)
    )
    split.encode = lambda _: text.encode()


@fault("file", weight=0.4)
def text_after_the_end(split: DrawnSplit, generator: np.random.Generator) -> None:
    more = one(generator, ("}", " {}", "\n\n", "\x00", "\x1a", ","))
    split.encode = lambda text: (text + more).encode()


@fault("file")
def keys_twice(split: DrawnSplit, generator: np.random.Generator) -> None:
    key = one(generator, ("images", "annotations", "categories", "info"))
    first = generator.random() < 0.5
    split.encode = lambda text: (
        f'{{"{key}": [], {text[1:]}' if first else f'{text[:-1]}, "{key}": []}}'
    ).encode()


@fault("file", keeps_objects=True)
def parts_in_another_order(split: DrawnSplit, generator: np.random.Generator) -> None:
    if isinstance(split.content, dict):
        split.content = dict(reversed(list(split.content.items())))


@fault("file", keeps_objects=True)
def parts_that_nobody_asked_for(split: DrawnSplit, generator: np.random.Generator) -> None:
    if isinstance(split.content, dict):
        split.content = {"info": {"deep": [[[]]]}, **split.content, "type": None, "licenses": ["]", "}", '"']}


@fault("file", weight=0.4)
def parts_of_the_file_missing(split: DrawnSplit, generator: np.random.Generator) -> None:
    key = one(generator, ("images", "annotations", "categories"))
    value = one(generator, ("missing", None, {}, [], "text", 7))
    if not isinstance(split.content, dict):
        return
    if value == "missing":
        split.content.pop(key, None)
    else:
        split.content[key] = value
