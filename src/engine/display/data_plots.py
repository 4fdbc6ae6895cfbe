"""The statistics of a data set as one PNG of plots."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...data.check.statistics import columns_of
from ...errors import DataError


def plot_statistics(config, source, path, columns=None):
    """Draw six plots of a DataSource's objects and pictures into the PNG `path`; columns: of `columns_of`, if they are there.

    A DataError says why it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or columns_of(config, source)
    sides = columns["boxes"][:, 2:] - columns["boxes"][:, :2]
    figure = Figure(figsize=(15, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3).ravel()
    _classes(
        axes[0], source.class_names[1:], np.bincount(columns["labels"], minlength=len(source.class_names))[1:]
    )
    top = int(columns["per_picture"].max(initial=1))
    axes[1].hist(columns["per_picture"], bins=np.arange(-0.5, top + 1.5, max(1, top // 60)))
    axes[1].set(
        title="objects a picture", xlabel="objects", ylabel="pictures", yscale="log" if top > 20 else "linear"
    )
    _logarithmic(axes[2], columns["canvas_side"], "box side on the canvas (root of area)", "pixels", base=2)
    for scale in config.anchor_scales:
        for stride in config.anchor_strides:
            axes[2].axvline(stride * scale, color="tab:red", linewidth=1, linestyle=":")
    axes[2].text(
        0.99, 0.97, "dotted: anchors", color="tab:red", ha="right", va="top", transform=axes[2].transAxes
    )
    _logarithmic(axes[3], sides[:, 1] / np.maximum(sides[:, 0], 1e-9), "box height / width", "ratio", base=2)
    for ratio in config.anchor_ratios:
        axes[3].axvline(ratio, color="tab:red", linewidth=1, linestyle=":")
    axes[4].scatter(columns["size"][:, 1], columns["size"][:, 0], s=8, alpha=0.3)
    axes[4].set(
        title="picture sizes", xlabel="width, pixels", ylabel="height, pixels", xlim=(0, None), ylim=(0, None)
    )
    _recall(axes[5], config, columns["best_iou"])
    figure.suptitle(
        f"{Path(source.annotation_file).name}: {len(source.records)} pictures, {len(sides)} objects, {len(source.class_names) - 1} classes"
    )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; choose a folder that can be written") from None


def _classes(axes, names, counts):
    order = np.argsort(-counts, kind="stable")
    places = np.arange(len(order))
    axes.bar(places, counts[order])
    step = max(1, len(order) // 40)
    # matplotlib reads $ as the start of a formula
    axes.set_xticks(
        places[::step], [names[i].replace("$", r"\$")[:18] for i in order[::step]], rotation=90, fontsize=7
    )
    axes.set(
        title="objects a class",
        ylabel="objects",
        yscale="log" if counts.max(initial=1) > 50 * max(1, counts.min(initial=0)) else "linear",
    )


def _logarithmic(axes, values, title, xlabel, base):
    values = values[values > 0]
    if len(values):
        axes.hist(values, bins=np.geomspace(values.min() * 0.99, values.max() * 1.01, 50))
        axes.set_xscale("log", base=base)
    axes.set(title=title, xlabel=xlabel, ylabel="objects")


def _recall(axes, config, best):
    levels = np.linspace(0, 1, 101)
    if len(best):
        axes.plot(levels, [(best >= level).mean() for level in levels])
    for name in ("neg_iou_thr", "pos_iou_thr"):
        axes.axvline(config[name], color="tab:red", linewidth=1, linestyle=":")
    axes.set(
        title="anchor recall",
        xlabel="IoU (dotted: neg_iou_thr, pos_iou_thr)",
        ylabel="share of objects with such an anchor",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
