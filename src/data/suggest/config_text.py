"""The suggestions as text: lines for the terminal, and a commented file that train.py takes."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, List

import yaml

from ...errors import one_line
from .suggest import Suggestions
from .suggestion import Suggestion

_WIDTH = 110


def suggestion_lines(suggestions: Suggestions) -> List[str]:
    """The suggestions, each with its reason below it, and the cautions, for the terminal."""
    lines = []
    for item in suggestions.items:
        settings = ", ".join(f"{key}={_value(value)}" for key, value in item.settings.items())
        lines += _wrapped(settings, "", "  ") if settings else []
        lines += _wrapped(f"{item.reason} [{item.basis}]", "    ", "    ")
    for line in suggestions.cautions:
        lines += _wrapped(f"note: {line}", "", "  ")
    return lines


def config_text(suggestions: Suggestions, data_settings: Dict[str, Any], title: str, command: str) -> str:
    """A whole configuration file.

    Args:
        suggestions: what is suggested.
        data_settings: {key: value} that say where the data are, as the user wrote them.
        title: what the settings are for, a line.
        command: how to train with the file.
    """
    parts = [
        *_comment(title),
        f"#     {one_line(command)}",
        *_comment(
            "In brackets, what a line rests on: from the data; measured (docs/results.md); scaled (what was "
            "measured, in proportion, for data unlike those); published "
            "(another project's recipe, not run here); default (nothing here speaks for or against it)."
        ),
    ]
    for line in suggestions.cautions:
        parts += _comment(f"Note: {line}.")
    if data_settings:
        parts += ["", "# Where the data are, as it was written."]
        parts += [f"{key}: {_value(value)}" for key, value in data_settings.items()]
    for item in suggestions.items:
        parts += ["", *_item_lines(item)]
    return "\n".join(parts) + "\n"


def _item_lines(item: Suggestion) -> List[str]:
    lines = _comment(f"{item.reason[0].upper()}{item.reason[1:]}. [{item.basis}]")
    return [*lines, *(f"{key}: {_value(value)}" for key, value in item.settings.items())]


def _comment(text: str) -> List[str]:
    return _wrapped(text, "# ", "# ")


def _wrapped(text: str, first: str, following: str) -> List[str]:
    """A text in lines, of which the first and the following ones begin as given."""
    return textwrap.wrap(
        one_line(text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value(value: Any) -> str:
    """A value as YAML reads it, on one line."""
    if isinstance(value, tuple):
        value = list(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()
