"""The statistics of a data set as one PNG of six plots."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import numpy as np

from ...data.annotations.records import DataSource
from ...data.check.statistics import ObjectMeasurements, StatisticsSettings, measure_objects
from ...errors import DataError
from .fonts import font_file, readable_name, readable_text

_LINE = {"color": "tab:red", "linewidth": 1, "linestyle": ":"}
_MAX_CLASS_NAMES = 40
_SMALLEST_LETTERS = 9  # points; East Asian letters under this size cannot be told apart


def plot_statistics(
    settings: StatisticsSettings, source: DataSource, path, objects: Optional[ObjectMeasurements] = None
) -> None:
    """Draw plots of a DataSource's objects and pictures.

    Args:
        settings: As of `measure_objects`; the plots show the anchors.
        source: The data.
        path: The PNG file.
        objects: `measure_objects` of the data, if the caller has them.

    Raises:
        DataError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    objects = measure_objects(settings, source) if objects is None else objects
    class_names = source.class_names[1:]
    figure = Figure(figsize=(15, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3).ravel()
    _plot_classes(axes[0], class_names, np.bincount(objects.labels, minlength=len(class_names) + 1)[1:])
    _plot_objects_per_picture(axes[1], objects.objects_per_picture)
    _plot_sides(axes[2], settings.anchors, objects.canvas_sides)
    _plot_ratios(axes[3], settings.anchors, objects.boxes)
    _plot_picture_sizes(axes[4], objects.picture_sizes)
    _plot_recall(axes[5], settings, objects.best_ious)
    title = figure.suptitle(
        f"{_plain(readable_text(Path(source.annotation_file).name))}: {len(source.records)} pictures, "
        f"{len(objects.labels)} objects, {len(class_names)} classes"
    )
    _set_font(title)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; choose a folder that can be written") from None


def _plot_classes(axes, names, counts):
    order = np.argsort(-counts, kind="stable")
    positions = np.arange(len(order))
    axes.bar(positions, counts[order])
    step = max(1, len(order) // _MAX_CLASS_NAMES)
    labels = [_plain(readable_name(names[i], i + 1)[:18]) for i in order[::step]]
    axes.set_xticks(positions[::step], labels, rotation=90, fontsize=7)
    for label in axes.get_xticklabels():
        _set_font(label)
    is_wide = counts.max(initial=1) > 50 * max(1, counts.min(initial=0))
    axes.set(title="objects a class", ylabel="objects", yscale="log" if is_wide else "linear")


def _plain(text):
    """A text in which matplotlib sees no formula: it reads $ as the start of one."""
    return text.replace("$", r"\$")


def _set_font(artist):
    """Give a matplotlib text a font that has its letters."""
    text = artist.get_text()
    if not text.isascii():
        from matplotlib.font_manager import FontProperties

        size = max(artist.get_fontsize(), _SMALLEST_LETTERS)
        artist.set_fontproperties(FontProperties(fname=font_file(text), size=size))


def _plot_objects_per_picture(axes, counts):
    largest = int(counts.max(initial=1))
    axes.hist(counts, bins=np.arange(-0.5, largest + 1.5, max(1, largest // 60)))
    axes.set(
        title="objects a picture",
        xlabel="objects",
        ylabel="pictures",
        yscale="log" if largest > 20 else "linear",
    )


def _plot_sides(axes, anchors, canvas_sides):
    _plot_logarithmic(axes, canvas_sides, "box side on the canvas (root of area)", "pixels")
    for scale in anchors.scales:
        for stride in anchors.strides:
            axes.axvline(stride * scale, **_LINE)
    axes.text(0.99, 0.97, "dotted: anchors", color="tab:red", ha="right", va="top", transform=axes.transAxes)


def _plot_ratios(axes, anchors, boxes):
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    _plot_logarithmic(axes, height / np.maximum(width, 1e-9), "box height / width", "ratio")
    for ratio in anchors.ratios:
        axes.axvline(ratio, **_LINE)


def _plot_logarithmic(axes, values, title, xlabel):
    values = values[values > 0]
    if len(values):
        axes.hist(values, bins=np.geomspace(values.min() * 0.99, values.max() * 1.01, 50))
        axes.set_xscale("log", base=2)
    axes.set(title=title, xlabel=xlabel, ylabel="objects")


def _plot_picture_sizes(axes, sizes):
    axes.scatter(sizes[:, 1], sizes[:, 0], s=8, alpha=0.3)
    axes.set(
        title="picture sizes", xlabel="width, pixels", ylabel="height, pixels", xlim=(0, None), ylim=(0, None)
    )


def _plot_recall(axes, settings, best_ious):
    levels = np.linspace(0, 1, 101)
    if len(best_ious):
        axes.plot(levels, [(best_ious >= level).mean() for level in levels])
    for threshold in (settings.neg_iou, settings.pos_iou):
        axes.axvline(threshold, **_LINE)
    axes.set(
        title="anchor recall",
        xlabel="IoU (dotted: neg_iou_thr, pos_iou_thr)",
        ylabel="share of objects with such an anchor",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
