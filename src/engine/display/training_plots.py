"""Plots of a training run: its losses, and its AP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence, Union

import numpy as np

from ...errors import DataError
from ...whole_files import replaced_file
from .loss_lines import LOSS_NAMES, global_steps, read_loss_log

_SUMS = ("rpn_loss", "rcnn_loss")  # sums of other losses


def plot_losses(loss_log_path: Union[str, Path], png_path: Union[str, Path]) -> None:
    """Draw the losses of a loss_{rank}.log by step: thin lines as logged, thick lines smoothed.

    Raises:
        DataError: The log cannot be read or is empty, or the PNG file cannot be written.
    """
    rows = read_loss_log(loss_log_path)
    if not rows:
        raise DataError(f"loss log {loss_log_path}: holds no line yet")
    steps = global_steps(rows)
    figure, axes = _new_figure()
    for name in LOSS_NAMES:
        if name in _SUMS:
            continue
        values = np.array([row[name] for row in rows])
        (line,) = axes.plot(
            steps,
            smooth(values),
            linewidth=2,
            label=name,
            color="black" if name == "total_loss" else None,
            marker="o" if len(rows) == 1 else None,
        )
        axes.plot(steps, values, linewidth=0.6, alpha=0.25, color=line.get_color())
    totals = np.array([row["total_loss"] for row in rows])
    axes.set(xlabel="step", ylabel="loss", title=f"{Path(loss_log_path).name}: {len(rows)} logged steps")
    if np.isfinite(totals).any():
        axes.set_ylim(0, 1.05 * float(np.percentile(totals[np.isfinite(totals)], 99.5)) + 1e-6)
    _save_figure(figure, axes, png_path)


def plot_precision(rows: Sequence[Mapping[str, Any]], png_path: Union[str, Path]) -> None:
    """Draw AP (solid) and AP50 (dashed) of masks and boxes by step, for the weights and for their average.

    Args:
        rows: The evaluations of metrics.jsonl: {"step": int, "evaluated": "weights" or "average",
            "bbox": {"AP": float, "AP50": float}, "segm": the same or missing}.
        png_path: The file.
    """
    figure, axes = _new_figure()
    for evaluated in dict.fromkeys(row["evaluated"] for row in rows):
        for kind in ("segm", "bbox"):
            shown = [row for row in rows if row["evaluated"] == evaluated and kind in row]
            if not shown:
                continue
            steps = [row["step"] for row in shown]
            name = kind if evaluated == "weights" else f"{kind}, average of the weights"
            (line,) = axes.plot(
                steps, [row[kind]["AP"] for row in shown], marker="o", markersize=3, label=f"{name}: AP"
            )
            axes.plot(
                steps,
                [row[kind]["AP50"] for row in shown],
                "--",
                marker=".",
                markersize=3,
                alpha=0.6,
                color=line.get_color(),
                label=f"{name}: AP50",
            )
    best = max(rows, key=_main_precision)
    axes.set(
        xlabel="step",
        ylabel="AP",
        ylim=(0, 1),
        title=f"{len(rows)} evaluations, best AP {_main_precision(best):.3f} at step {best['step']}",
    )
    _save_figure(figure, axes, png_path)


def _main_precision(row):
    """The AP of masks, or of boxes where there are no masks."""
    return row.get("segm", row.get("bbox"))["AP"]


def _new_figure():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save_figure(figure, axes, png_path):
    axes.grid(alpha=0.3)
    axes.legend()
    with replaced_file(png_path) as temporary:
        figure.savefig(temporary, format="png")


def smooth(values: Sequence[float]) -> np.ndarray:
    """A centred moving average over a twentieth of the curve; the window is shorter at the ends.

    Args:
        values: [n]; NaN and infinity are left out.

    Returns:
        float64 [n].
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    sums = np.concatenate([[0], np.cumsum(np.where(finite, values, 0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    positions = np.arange(len(values))
    half_window = len(values) // 40
    low = np.maximum(positions - half_window, 0)
    high = np.minimum(positions + half_window + 1, len(values))
    with np.errstate(invalid="ignore"):
        return (sums[high] - sums[low]) / (counts[high] - counts[low])
