"""What the page says about the run: figures of COCO, losses and rate, data, settings and versions."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from ..data.annotations.records import DataSource
from ..data.check.statistics import PERCENTILES, StatisticsSettings, data_statistics, measure_objects
from .charts import MAIN, PALETTE, Line, histogram, line_chart, thinned
from .markup import Column, Markup, details, element, join, note, number, plain_table, table

_LOSSES = ("total_loss", "rpn_cls_loss", "rpn_reg_loss", "rcnn_cls_loss", "rcnn_reg_loss", "rcnn_mask_loss")
_PACKAGES = ("mindspore", "numpy", "opencv-python-headless", "pycocotools", "hotcoco", "numba", "matplotlib")
_KINDS = {"bbox": "boxes", "segm": "masks"}


def figure_table(metrics: Mapping[str, Any]) -> Markup:
    """COCO's figures, a row each."""
    kinds = [kind for kind in _KINDS if kind in metrics]
    names = [name for name in metrics[kinds[0]] if name != "per_class"]
    rows = [(name, *(_figure(metrics[kind].get(name)) for kind in kinds)) for name in names]
    columns = [Column("figure", False), *(Column(f"{_KINDS[kind]} ({kind})") for kind in kinds)]
    return table(columns, rows, "COCO's figures; – where there is nothing to count")


def _figure(value: Optional[float]) -> Optional[float]:
    """One of COCO's figures; None instead of -1, where there is nothing to count."""
    return None if value == -1 else value


def headline_tiles(headlines: Mapping[str, Mapping[str, Any]]) -> Markup:
    """AP, AP50 and AP75 of each kind with their intervals."""
    tiles = []
    for kind, headline in headlines.items():
        for name, interval in headline.items():
            limits = f"95%: {interval['low']:.3f} to {interval['high']:.3f}"
            value = element("strong", number(_figure(interval["value"])))
            tiles.append(
                element("li", element("span", f"{name} of {_KINDS[kind]}"), value, element("span", limits))
            )
    return element("ul", *tiles, class_="tiles")


def training_charts(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Losses, learning rate and AP by step.

    Args:
        rows: of metrics.jsonl, or steps with losses alone.
    """
    steps = [row for row in rows if all(name in row for name in ("step", *_LOSSES))]
    evaluations = [row for row in rows if "evaluated" in row]
    charts = []
    if steps:
        charts.append(_loss_chart(steps))
        if "lr" in steps[0]:
            where = [row["step"] for row in steps]
            rate = [row["lr"] for row in steps]
            alt = f"Learning rate by step, from {rate[0]:.3g} over {max(rate):.3g} to {rate[-1]:.3g}"
            charts.append(line_chart([Line("rate", where, rate, MAIN)], "Learning rate", "step", "rate", alt))
    if evaluations:
        charts.append(_precision_chart(evaluations))
    return element("div", *charts, class_="charts")


def _loss_chart(steps) -> Markup:
    where = [row["step"] for row in steps]
    lines = []
    for place, name in enumerate(_LOSSES):
        x, y = thinned(where, [row[name] for row in steps], 120)
        lines.append(Line(name, x, y, MAIN if place == 0 else PALETTE[place - 1]))
    total = np.array([row["total_loss"] for row in steps])
    total = total[np.isfinite(total)]
    highest = float(np.percentile(total, 99)) if len(total) else 1.0
    alt = (
        f"Losses by step; the total goes from {lines[0].y[0]:.3g} to {lines[0].y[-1]:.3g}"
        if len(total)
        else ""
    )
    title = f"Losses of {len(steps)} logged steps, as means of neighbours"
    return line_chart(lines, title, "step", "loss", alt or title, {"ylim": (0, 1.05 * highest + 1e-6)})


def _precision_chart(evaluations) -> Markup:
    lines = []
    for evaluated in dict.fromkeys(row["evaluated"] for row in evaluations):
        for kind in reversed(_KINDS):
            shown = [row for row in evaluations if row["evaluated"] == evaluated and kind in row]
            colour = PALETTE[len(lines) // 2 % len(PALETTE)]
            suffix = "" if evaluated == "weights" else ", average of the weights"
            for name in ("AP", "AP50") if shown else ():
                values = [row[kind].get(name, np.nan) for row in shown]
                x = [row["step"] for row in shown]
                label = f"{name} of {_KINDS[kind]}{suffix}"
                lines.append(Line(label, x, values, colour, is_dashed=name == "AP50", has_points=True))
    alt = "AP by step. At the end " + "; ".join(f"{line.name} {line.y[-1]:.3f}" for line in lines)
    return line_chart(lines, "AP while training", "step", "AP", alt, {"ylim": (0, 1.02)})


def data_section(settings: StatisticsSettings, source: DataSource) -> Markup:
    """Statistics of the evaluated data."""
    objects = measure_objects(settings, source)
    statistics = data_statistics(settings, source, objects)
    parts: List[Any] = [
        note(f"{source.annotation_file}: {len(source.records)} pictures, {len(objects.labels)} objects")
    ]
    if len(objects.labels):
        sides = np.sqrt((objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(axis=1))
        bins = np.geomspace(max(sides.min(), 1), max(sides.max(), 2) * 1.01, 25)
        most = int(objects.objects_per_picture.max())
        counts = np.arange(-0.5, most + 1.5, max(1, most // 25))
        median = statistics["box_side"]["50"]
        alt = f"Objects by the square root of their box's area in pixels; half of them are under {median:.0f}"
        charts = [
            histogram(sides, bins, "Sizes of objects", "root of the box's area, pixels", "objects", alt),
            histogram(
                objects.objects_per_picture,
                counts,
                "Objects a picture",
                "objects",
                "pictures",
                f"Pictures by their number of objects, up to {most}",
            ),
        ]
        parts.append(element("div", *charts, class_="charts"))
        parts.append(_quantity_table(statistics))
    rows = [
        (name, count, statistics["pictures_per_class"][name])
        for name, count in statistics["instances_per_class"].items()
    ]
    columns = (Column("class", False), Column("objects"), Column("pictures"))
    parts.append(table(columns, rows, "Objects by class, without crowds"))
    return join(parts + [note(line) for line in source.notes])


def _quantity_table(statistics: Mapping[str, Any]) -> Markup:
    titles = {
        "instances_per_picture": "objects a picture",
        "picture_width": "picture width",
        "picture_height": "picture height",
        "box_side": "box side (root of area)",
        "box_ratio": "box height / width",
    }
    columns = [Column("quantity", False), *(Column(f"{percent} %", digits=1) for percent in PERCENTILES)]
    rows = [(title, *map(float, statistics[name].values())) for name, title in titles.items()]
    return table(columns, rows, "Percentiles: 0 % is the least, 100 % the most")


def settings_section(values: Mapping[str, Any], changed: Mapping[str, Any]) -> Markup:
    """Versions, the settings that differ from their defaults, and all of them."""
    return join(
        [
            plain_table(versions(), "Versions"),
            plain_table(changed, "Settings that differ from their defaults"),
            details("All settings", plain_table(values, "All settings")),
        ]
    )


def versions() -> Dict[str, str]:
    """{name: version} of Python, the machine's system and the packages that figures depend on."""
    found = {"Python": sys.version.split()[0], "system": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
