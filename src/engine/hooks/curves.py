"""Plots of a run's losses and AP."""

from __future__ import annotations

from ..display.metrics_file import read_metrics
from ..display.training_plots import plot_losses, plot_precision
from .hook import Hook


class Curves(Hook):
    """losses.png, and ap.png once something was evaluated, in the work folder.

    Drawn after every epoch, by the first rank.
    """

    def after_epoch(self, trainer) -> None:
        self.draw(trainer)

    def after_train(self, trainer) -> None:
        self.draw(trainer)

    def draw(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        folder = trainer.work_dir
        plot_losses(folder / f"loss_{trainer.device.rank}.log", folder / "losses.png")
        rows = [row for row in read_metrics(folder / "metrics.jsonl") if "evaluated" in row]
        if rows:
            plot_precision(rows, folder / "ap.png")
