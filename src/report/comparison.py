"""Is the second run better than the first? Differences with paired intervals, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..evaluation.matching.bootstrap import (
    SAMPLES,
    Interval,
    draw_samples,
    paired_difference,
    sampled_figures,
)
from ..evaluation.matching.confusion import confusion_matrix
from ..evaluation.matching.operating_points import best_common_score
from ..evaluation.matching.precision_recall import RECALLS, curves
from ..evaluation.matching.table import MatchTable
from .charts import PALETTE, Line, line_chart, thinned
from .markup import Column, Markup, element, note, table
from .picture_lists import PictureList, picture_scores

_MOST_PICTURES = 20  # of a list


class Difference(NamedTuple):
    """A figure of two runs, and the 95% interval of second - first over the same drawn pictures."""

    first: float
    second: float
    interval: Interval

    @property
    def verdict(self) -> str:
        if self.interval.low > 0:
            return "better"
        return "worse" if self.interval.high < 0 else "not shown"


def compare_figures(first: MatchTable, second: MatchTable, samples: int = SAMPLES) -> Dict[str, Difference]:
    """The headline figures of two tables over the same pictures and classes.

    Each sample draws the same pictures for both runs: what makes pictures easy or hard is common to both, so
    that the interval of the difference is narrower than those of the figures.
    """
    pictures = len(first.image_ids)
    ones = np.ones((1, pictures), np.int32)
    weights = draw_samples(pictures, samples)
    values = [sampled_figures(side, ones) for side in (first, second)]
    drawn = [sampled_figures(side, weights) for side in (first, second)]
    result = {}
    for name in values[0]:
        a, b = (float(side[name][0]) for side in values)
        holds = (drawn[0][name] >= 0) & (drawn[1][name] >= 0)  # samples without any object say nothing
        result[name] = Difference(
            a, b, paired_difference(drawn[0][name][holds], drawn[1][name][holds], b - a)
        )
    return result


def class_differences(first: MatchTable, second: MatchTable) -> List[Tuple[str, float, float]]:
    """(class, AP of the first, AP of the second) of the classes with objects."""
    of_second = {curve["class"]: float(np.mean(curve["precision"])) for curve in curves(second)}
    return [
        (curve["class"], float(np.mean(curve["precision"])), of_second[curve["class"]])
        for curve in curves(first)
    ]


def picture_differences(first: MatchTable, second: MatchTable) -> Dict[str, PictureList]:
    """{"gains": pictures that the second run finds better by F1, "losses": worse}, the largest change first.

    The score of each run is that of its best F1 with all classes together.
    """
    f1 = []
    for side in (first, second):
        score = best_common_score(side, side.reference)
        f1.append(picture_scores(side, confusion_matrix(side, side.reference, score)).f1)
    change = f1[1] - f1[0]
    order = np.argsort(-change, kind="stable")
    gains = [i for i in order.tolist() if change[i] > 0]
    losses = [i for i in order[::-1].tolist() if change[i] < 0]
    return {
        "gains": PictureList("found better by the second run", gains[:_MOST_PICTURES], len(gains)),
        "losses": PictureList("found worse by the second run", losses[:_MOST_PICTURES], len(losses)),
    }


def difference_table(kind: str, differences: Mapping[str, Difference]) -> Markup:
    columns = [Column("figure", False), Column("first"), Column("second"), Column("difference")]
    columns += [Column("95%: from"), Column("to"), Column("the second is", False)]
    rows = [
        (name, row.first, row.second, row.interval.value, row.interval.low, row.interval.high, row.verdict)
        for name, row in differences.items()
    ]
    return table(columns, rows, f"{kind}: second - first, with the interval over pictures (paired bootstrap)")


def difference_lines(kind: str, differences: Mapping[str, Difference]) -> List[str]:
    """The table for a terminal."""
    lines = [f"{kind}: second - first, with 95% intervals over pictures (paired bootstrap):"]
    for name, row in differences.items():
        limits = f"{row.interval.low:+.3f} to {row.interval.high:+.3f}"
        lines.append(
            f" {name:<5} {row.first:.3f} {row.second:.3f}  {row.interval.value:+.3f}  {limits}  {row.verdict}"
        )
    return lines


def lone_line(kind: str, has: str, lacks: str, file: Path, only: MatchTable) -> str:
    """What is said of a kind that one run has and the other has not, with the figures of the one.

    Args:
        kind: "bbox" or "segm".
        has, lacks: "first" and "second", or the other way round.
        file: the results that are not there.
        only: the match table of the run that has them.
    """
    values = sampled_figures(only, np.ones((1, len(only.image_ids)), np.int32))
    figures = ", ".join(f"{name} {float(value[0]):.3f}" for name, value in values.items())
    return f"{kind}: no difference, as the {lacks} run has no {file}; the {has} run has {figures}"


def class_section(kind: str, rows: Sequence[Tuple[str, float, float]]) -> Markup:
    columns = [Column("class", False), Column("AP of the first"), Column("AP of the second")]
    cells = [(name, a, b, b - a) for name, a, b in rows]
    return table([*columns, Column("difference")], cells, f"{kind}: AP by class")


def curve_section(
    tables: Sequence[MatchTable], names: Sequence[str], rows: Sequence[Sequence[Mapping[str, Any]]]
) -> Markup:
    """Precision by recall, losses and AP while training, of both runs over each other.

    Args:
        tables: the match tables of the runs.
        names: of the runs.
        rows: their lines of metrics.jsonl; none: no curves of the training.
    """
    lines = [
        Line(name, RECALLS, np.mean([curve["precision"] for curve in curves(side)], axis=0), colour, dashed)
        for name, side, colour, dashed in zip(names, tables, PALETTE, (False, True))
    ]
    kind = tables[0].kind
    limits = {"xlim": (0, 1), "ylim": (0, 1.02)}
    title = f"Precision by recall ({kind}), mean over classes and IoU thresholds"
    charts = [line_chart(lines, title, "recall", "precision", title, limits)]
    for key, title in (("total_loss", "Total loss"), ("AP", "AP while training")):
        lines = []
        for place, (name, own) in enumerate(zip(names, rows)):
            points = [(row["step"], _value(row, key, kind)) for row in own if not _is_of_average(row)]
            points = [(step, value) for step, value in points if value is not None]
            if points:
                x, y = zip(*points)
                if key == "total_loss":
                    x, y = thinned(x, y)
                lines.append(Line(name, x, y, PALETTE[place], place > 0, key == "AP"))
        if lines:
            charts.append(line_chart(lines, title, "step", key, f"{title} of {', '.join(names)}"))
    return element("div", *charts, class_="charts")


def _is_of_average(row):
    return row.get("evaluated", "weights") != "weights"


def _value(row, key, kind):
    return row.get(key) if key == "total_loss" else row.get(kind, {}).get(key)


def settings_that_differ(first: Optional[Mapping[str, Any]], second: Optional[Mapping[str, Any]]) -> Markup:
    """The settings of two runs that are not equal; None where a run has left none."""
    if first is None or second is None:
        missing = " and ".join(n for n, value in (("first", first), ("second", second)) if value is None)
        return note(f"Not known of the {missing} run: report=True keeps them beside the report.")
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    if not names:
        return note("All settings are equal.")
    columns = [Column("setting", False), Column("first", False), Column("second", False)]
    rows = [(name, str(first.get(name)), str(second.get(name))) for name in names]
    return table(columns, rows, "Settings that differ")
