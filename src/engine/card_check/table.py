"""Rows of the check, and the table to paste into an issue."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, List

import numpy as np

OK = "ok"
FAILED = "FAILED"
# A value is another than on the CPU, in a way that docs/ascend.md names and that breaks nothing.
NOTE = "note"
NOT_COMPARED = "stand-in: not compared"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was checked.
        result: OK, FAILED, NOTE or NOT_COMPARED.
        detail: Figures, or why it failed.
    """

    name: str
    result: str
    detail: str = ""

    def as_dict(self) -> Dict[str, Any]:
        return asdict(self)


def compare(
    name: str,
    got: np.ndarray,
    want: np.ndarray,
    tolerance: float,
    simulated: bool = False,
    result: str = FAILED,
) -> Row:
    """A row for arrays of one shape.

    Args:
        name: What was checked.
        got: What the device gives.
        want: What it should give.
        tolerance: How much a value may differ, relative to the largest of `want`. 0: equal.
        simulated: Whether nothing was computed. Shapes are compared then.
        result: What the row says where they differ.
    """
    got = np.asarray(got)
    want = np.asarray(want)
    if got.shape != want.shape:
        return Row(name, FAILED, f"shape {list(got.shape)} instead of {list(want.shape)}")
    if simulated:
        return Row(name, NOT_COMPARED, f"{want.size} values")
    difference = np.abs(got.astype(np.float64) - want.astype(np.float64))
    largest = float(difference.max()) / max(float(np.abs(want.astype(np.float64)).max()), 1e-30)
    differing = int((difference > 0).sum())
    detail = f"{differing} of {want.size} values differ, at most by {largest:.1e} (allowed {tolerance:g})"
    # A NaN is not within any tolerance.
    return Row(name, OK if largest <= tolerance else result, detail)


def format_table(rows: Iterable[Row], versions: Dict[str, str]) -> str:
    """Versions and rows as tables of Markdown."""
    lines = ["| Software, hardware | |", "|---|---|"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in versions.items()]
    lines += ["", "| Check | Result | Figures |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.result} | {_cell(row.detail)} |" for row in rows]
    return "\n".join(lines)


def rows_of(items: Iterable[Dict[str, Any]]) -> List[Row]:
    """Rows of what `as_dict` gave."""
    return [Row(**item) for item in items]


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").split())
