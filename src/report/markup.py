"""HTML from values. Every text that comes from data goes through `text` or `element`, which escape it."""

from __future__ import annotations

import html
import json
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence


class Markup(str):
    """Text that is HTML already; anything else is escaped where it enters a page."""


class Column(NamedTuple):
    """A column of a sortable table.

    Attributes:
        title: of the column.
        is_number: numbers are aligned to the right and sorted from the highest at first.
        digits: behind the point, for floats.
    """

    title: str
    is_number: bool = True
    digits: int = 3


def text(value: Any) -> Markup:
    """A value as escaped text, without control characters, which HTML cannot hold; `Markup` as it is."""
    if isinstance(value, Markup):
        return value
    shown = "".join(letter for letter in str(value) if letter >= " " or letter in "\t\n")
    return Markup(html.escape(shown.encode("utf-8", "replace").decode("utf-8"), quote=True))


def join(parts: Iterable[Any], separator: str = "") -> Markup:
    """Parts one after another, each escaped where it is no Markup."""
    return Markup(separator.join(text(part) for part in parts))


def element(name: str, *content: Any, **attributes: Any) -> Markup:
    """`<name attributes>content</name>`.

    Args:
        name: of the element.
        content: escaped where it is no Markup.
        attributes: `class_` is class, `_` becomes "-" in other names; None leaves one out, True has no value.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{text(value)}"')
    return Markup(f"<{' '.join(parts)}>{join(content)}</{name}>")


def section(identifier: str, title: str, *content: Any) -> Markup:
    """A part of the page with a heading that the navigation leads to."""
    heading = element("h2", title, id=identifier)
    return element("section", heading, *content, aria_labelledby=identifier)


def details(title: Any, *content: Any, opened: bool = False) -> Markup:
    """Content that is shown on a click."""
    return element("details", element("summary", title), *content, open=opened)


def note(value: Any) -> Markup:
    return element("p", value, class_="note")


def number(value: Optional[float], digits: int = 3) -> str:
    """A figure as text; "–" where there is none."""
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], caption: str, **attributes: Any
) -> Markup:
    """A table that page.js sorts by any column. Cells that are Markup are sorted by their text.

    Args:
        columns: one for each cell of a row.
        rows: cells: numbers, None, texts or Markup.
        caption: says what the table shows.
        attributes: of the table.
    """
    heads = [
        element("th", element("button", column.title, type="button"), scope="col", class_=_side(column))
        for column in columns
    ]
    body = [element("tr", *map(_cell, columns, row, range(len(columns)))) for row in rows]
    content = (element("thead", element("tr", *heads)), element("tbody", *body))
    return captioned(element("table", *content, class_="sortable", aria_label=caption, **attributes), caption)


def captioned(content: Markup, caption: str) -> Markup:
    """A table that may be wider than the page below its caption; the keyboard scrolls it, too."""
    area = element("div", content, class_="scroll", tabindex="0", role="region", aria_label=caption)
    return join([element("p", caption, class_="caption"), area])


def _side(column: Column) -> Optional[str]:
    return "number" if column.is_number else None


def _cell(column: Column, value: Any, position: int) -> Markup:
    if position == 0 and not column.is_number:
        return element("th", value, scope="row")
    if not column.is_number or isinstance(value, Markup):
        return element("td", value, class_=_side(column))
    key = "" if value is None else repr(value)
    return element("td", number(value, column.digits), class_="number", data_key=key)


def plain_table(rows: Mapping[str, Any], caption: str) -> Markup:
    """Names with values."""
    body = [
        element("tr", element("th", name, scope="row"), element("td", value)) for name, value in rows.items()
    ]
    return captioned(element("table", element("tbody", *body), class_="plain", aria_label=caption), caption)


def data_block(identifier: str, value: Any) -> Markup:
    """JSON that page.js reads. No "<" is left in it, so that no text of it can end the element."""
    content = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{text(identifier)}">{content}</script>')


def byte_count(content: str) -> int:
    """How many bytes a text takes in the file."""
    return len(content.encode("utf-8"))
