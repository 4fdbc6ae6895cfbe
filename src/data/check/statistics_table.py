"""The statistics of a data set as tables of text."""

from __future__ import annotations

from typing import Any, Dict, List

from ...errors import one_line
from .statistics import PERCENTILES

_QUANTITIES = (
    ("instances_per_picture", "objects a picture"),
    ("picture_width", "picture width"),
    ("picture_height", "picture height"),
    ("box_side", "box side (root of area)"),
    ("box_side_on_canvas", "box side on the canvas"),
    ("box_ratio", "box height / width"),
)
_FEWEST_SHOWN = 5  # of many classes, this many of those with the fewest objects are shown


def statistics_text(statistics: Dict[str, Any], most_shown: int = 20) -> List[str]:
    """The statistics of `data_statistics` as lines.

    most_shown: of many classes, how many of those with the most objects are shown.
    """
    return [
        *_percentile_lines(statistics),
        "",
        *_class_lines(statistics, most_shown),
        "",
        *_anchor_lines(statistics["anchors"]),
    ]


def _percentile_lines(statistics):
    titles = {0: "least", 100: "most"}
    rows = [("", *(titles.get(percent, f"{percent} %") for percent in PERCENTILES))]
    for name, title in _QUANTITIES:
        rows.append((title, *(f"{value:.4g}" for value in statistics[name].values())))
    lines = [f"{row[0]:24s}" + "".join(f"{cell:>9s}" for cell in row[1:]) for row in rows]
    area = statistics["box_area"]
    lines.append(
        f"box area by COCO's limits: {area['small']:.1%} small (under 32x32), {area['medium']:.1%} medium, "
        f"{area['large']:.1%} large (from 96x96)"
    )
    return lines


def _class_lines(statistics, most_shown):
    lines = ["class                     objects  pictures"]
    for name, count in sorted(statistics["instances_per_class"].items(), key=lambda item: -item[1]):
        lines.append(f"{one_line(name)[:24]:24s}{count:>9d}{statistics['pictures_per_class'][name]:>10d}")
    title, *classes = lines
    if len(classes) > most_shown + _FEWEST_SHOWN + 1:
        classes = [*classes[:most_shown], "...", *classes[-_FEWEST_SHOWN:]]
    return [title, *classes]


def _anchor_lines(anchors):
    titles = "".join(f"{f'IoU {threshold}':>9s}" for threshold in anchors["recall"])
    lines = [f"{'anchors: box side':24s}{'objects':>9s}{'mean IoU':>10s}{titles}"]
    for row in anchors["by_size"]:
        sides = f"{row['from']} to {row['to']}" if row["to"] else f"from {row['from']}"
        lines.append(_anchor_line(sides, row["objects"], row))
    num_objects = sum(row["objects"] for row in anchors["by_size"])
    return [*lines, _anchor_line("all", num_objects, anchors)]


def _anchor_line(name, num_objects, figures):
    shares = "".join(f"{share:>9.1%}" for share in figures["recall"].values())
    return f"{name:24s}{num_objects:>9d}{figures['mean_best_iou']:>10.3f}{shares}"
