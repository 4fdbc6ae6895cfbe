"""A detailed evaluation as lines for users: the headline figures' intervals, and a table a class."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from ...errors import one_line

_NAME_WIDTH = 20
_COLUMNS = ("objects", "detections", "AP", "AP50", "score", "precision", "recall", "F1")


def detail_lines(kind: str, figures: Mapping[str, Any]) -> List[str]:
    """The lines of one kind's `detailed_figures`."""
    lines = [f"{kind}, with 95% intervals over pictures (bootstrap):"]
    for name, interval in figures["headline"].items():
        lines.append(f" {name:<5} {interval['value']:.3f}   {interval['low']:.3f} to {interval['high']:.3f}")
    lines.append(
        f"{kind} by class at an IoU of {figures['iou']:g}; precision, recall and F1 with detections of at "
        "least the score at which F1 is best:"
    )
    lines.append(f" {'':<{_NAME_WIDTH}}" + "".join(f"{name:>11}" for name in _COLUMNS))
    lines += [_class_line(row) for row in figures["classes"]]
    return lines


def _class_line(row: Mapping[str, Any]) -> str:
    best = row["best_f1"] or {}
    cells = [f"{row['objects']:>11}", f"{row['detections']:>11}"]
    rates = (
        row.get("AP"),
        row.get("AP50"),
        *(best.get(name) for name in ("score", "precision", "recall", "f1")),
    )
    cells += [_rate(value) for value in rates]
    return f" {one_line(row['class'])[:_NAME_WIDTH]:<{_NAME_WIDTH}}" + "".join(cells)


def _rate(value: Optional[float]) -> str:
    return f"{'-':>11}" if value is None else f"{value:>11.3f}"
