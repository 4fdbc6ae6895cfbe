"""Charts of one kind's figures: precision and recall, calibration, and TIDE's kinds of errors."""

from __future__ import annotations

from typing import Any, List, Mapping

import numpy as np

from ..evaluation.matching.precision_recall import RECALLS
from .charts import MAIN, PALETTE, Line, bar_chart, line_chart
from .markup import Column, Markup, element, note, number, table

_MOST_CLASSES = 7  # in a chart of curves

_TIDE_MEANINGS = {
    "Cls": "right place, wrong class",
    "Loc": "right class, wrong place",
    "Both": "wrong class and place",
    "Dupe": "a second detection of an object",
    "Bkg": "no object is there",
    "Miss": "an object without a detection near it",
}


def curve_chart(figures: Mapping[str, Any]) -> Markup:
    """Precision by recall, as the mean over the classes and of single classes."""
    key, where = "precision", "as a mean over the IoU thresholds"
    if all("precision50" in curve for curve in figures["curves"]):
        key, where = "precision50", "at an IoU of 0.5"
    curves = figures["curves"]
    if not curves:
        return Markup("")
    shown = sorted(curves, key=lambda curve: -np.mean(curve[key]))
    if len(shown) > _MOST_CLASSES:
        half = _MOST_CLASSES // 2
        shown = [*shown[: _MOST_CLASSES - half], *shown[-half:]]
    mean = np.mean([curve[key] for curve in curves], axis=0)
    lines = [Line(f"mean of {len(curves)} classes, AP {mean.mean():.3f}", RECALLS, mean, MAIN)]
    for place, curve in enumerate(shown):
        name = f"{curve['class']}, AP {np.mean(curve[key]):.3f}"
        lines.append(Line(name, RECALLS, curve[key], PALETTE[place % len(PALETTE)]))
    title = f"Precision by recall, {where}"
    if len(curves) > _MOST_CLASSES:
        title += "; the best and the weakest classes"
    alt = f"{title}. " + "; ".join(line.name for line in lines)
    return line_chart(lines, title, "recall", "precision", alt, {"xlim": (0, 1), "ylim": (0, 1.02)})


def calibration_chart(figures: Mapping[str, Any]) -> Markup:
    """Precision by score, beside the diagonal; a line of text where scores are not within 0 to 1."""
    calibration = figures["calibration"]
    if calibration is None:
        return note("No calibration: there is no detection, or scores are not within 0 to 1.")
    bins = [entry for entry in calibration["bins"] if entry["detections"]]
    lines = [
        Line(
            "detections, in ten groups by score",
            [entry["mean_score"] for entry in bins],
            [entry["precision"] for entry in bins],
            PALETTE[3],
            has_points=True,
        ),
        Line("as it would be if scores were probabilities", [0, 1], [0, 1], PALETTE[7], is_dashed=True),
    ]
    title = f"Calibration: expected error {calibration['ece']:.3f}, largest {calibration['mce']:.3f}"
    points = "; ".join(f"score {entry['mean_score']:.2f}: {entry['precision']:.2f}" for entry in bins)
    limits = {"xlim": (0, 1), "ylim": (0, 1.02)}
    return line_chart(lines, title, "mean score", "precision", f"{title}. Precision by {points}", limits)


def tide_chart(figures: Mapping[str, Any]) -> Markup:
    """What mending each kind of error would give."""
    kinds = figures["tide"]["kinds"]
    gains = [kinds[name]["ap_gain"] for name in kinds]
    alt = "; ".join(f"{name} +{gain:.3f}" for name, gain in zip(kinds, gains))
    title = f"Kinds of errors (TIDE): what AP at an IoU of {figures['iou']:g} would gain"
    return bar_chart(list(kinds), gains, title, "AP gained", f"{title}: {alt}", colour=PALETTE[3])


def tide_table(figures: Mapping[str, Any]) -> Markup:
    columns = (Column("kind", False), Column("meaning", False), Column("number"), Column("AP gained"))
    rows = [
        (name, _TIDE_MEANINGS[name], entry["count"], float(entry["ap_gain"]))
        for name, entry in figures["tide"]["kinds"].items()
    ]
    return table(columns, rows, "Kinds of errors and what mending one of them would give")


def class_table(figures: Mapping[str, Any], identifier: str) -> Markup:
    """A row for each class, with a field that filters by name."""
    names = [name for name in ("AP", "AP50", "AP75") if any(name in row for row in figures["classes"])]
    columns = [Column("class", False), Column("objects"), Column("detections"), *map(Column, names)]
    columns += map(Column, ("score", "precision", "recall", "F1"))
    rows: List[List[Any]] = []
    for row in figures["classes"]:
        best = row["best_f1"] or {}
        rates = [best.get(name) for name in ("score", "precision", "recall", "f1")]
        rows.append(
            [row["class"], row["objects"], row["detections"], *(row.get(name) for name in names), *rates]
        )
    caption = (
        f"Classes. Score, precision, recall and F1 are those at the score of a class's best F1, at an IoU of "
        f"{number(figures['iou'], 2)}. A click on a column's head sorts by it."
    )
    field = element(
        "label",
        "Classes whose name holds ",
        element("input", type="search", class_="filter", data_table=identifier),
    )
    return element("div", element("p", field), table(columns, rows, caption, id=identifier))
