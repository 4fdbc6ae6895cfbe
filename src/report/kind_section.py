"""What the page says about one kind, boxes or masks."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple

from ..evaluation.matching.confusion import BACKGROUND
from ..evaluation.matching.details import InDepth
from ..evaluation.matching.table import MatchTable
from .kind_charts import calibration_chart, class_table, curve_chart, tide_chart, tide_table
from .kind_tables import confusion_table, mistake_tables, shown_classes, size_table
from .markup import Markup, details, element, join
from .picture_lists import (
    PictureList,
    best_and_worst,
    confusion_lists,
    errors_by_size,
    mistake_keys,
    mistake_lists,
)


class KindPart(NamedTuple):
    """One kind in the page.

    Attributes:
        kind: "bbox" or "segm".
        headline: {figure: {"value", "low", "high"}}.
        body: its classes, charts and tables.
        lists: the pictures behind its buttons, by key.
        ranking: {"worst": pictures, "best": pictures}.
        score: of the best F1 with all classes together.
    """

    kind: str
    headline: Mapping[str, Any]
    body: Markup
    lists: Dict[str, PictureList]
    ranking: Dict[str, PictureList]
    score: float


def make_kind_part(table: MatchTable, in_depth: InDepth, names: Mapping[Any, str]) -> KindPart:
    """The part of a page for one kind.

    Args:
        table: its match table.
        in_depth: its `evaluate_in_depth`.
        names: {image id: name of the picture}.
    """
    kind = table.kind
    figures = in_depth.figures
    confusion = in_depth.confusion
    counts = errors_by_size(table, confusion)
    keys = mistake_keys(table, figures["label_mistakes"])
    classes = [*table.class_names, BACKGROUND]
    charts = element(
        "div", curve_chart(figures), calibration_chart(figures), tide_chart(figures), class_="charts"
    )
    body = join(
        [
            element("h3", "Classes"),
            class_table(figures, f"classes-{kind}"),
            element("h3", "Curves, calibration and kinds of errors"),
            charts,
            details("Kinds of errors as a table", tide_table(figures)),
            element("h3", "Confusion"),
            confusion_table(classes, kind, confusion),
            element("h3", "Missed and false objects"),
            size_table(table.class_names, kind, counts),
            element("h3", "Suspected label mistakes"),
            mistake_tables(figures, keys, names),
        ]
    )
    of_cells = confusion_lists(table, confusion, shown_classes(confusion.matrix))
    lists = {**of_cells, **counts.lists, **mistake_lists(keys, names)}
    return KindPart(
        kind, figures["headline"], body, lists, best_and_worst(table, confusion), figures["score"]
    )
