"""`Tracker`: what a tracker of experiments is asked to do, and what a row of metrics.jsonl is for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Optional

_POSITION = ("step", "epoch", "place", "evaluated")  # of a row, besides its figures


class LostRunError(Exception):
    """The run that is to be gone on with was deleted in the tracker."""


class Tracker:
    """One run in a tracker. Its methods raise whatever the tracker's package raises.

    Attributes:
        keeps_rows: Whether a process that goes on with a run finds the rows that earlier ones handed over.
            Where it does not, it is given all rows again.
    """

    keeps_rows = True

    def open(self, store: str, run: Optional[str], name: str, settings: Mapping[str, Any]) -> str:
        """Begin a run, or go on with one.

        Args:
            store: Where the runs are kept, as `default_store` gives it.
            run: The identifier of the run to go on with; None: a new one.
            name: How a new run is called.
            settings: The settings of the run.

        Returns:
            The run's identifier.

        Raises:
            LostRunError: The tracker has the run no more.
        """
        raise NotImplementedError

    def log(self, number: int, step: int, figures: Mapping[str, float]) -> None:
        """Add the figures of a row.

        Args:
            number: Of the row in metrics.jsonl, from 0; rows come in their order.
            step: The step of the row; a step's row and that of its evaluation have the same.
            figures: As `figures_of` gives them.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Write what `log` was given, where the tracker does not do so by itself."""

    def add_file(self, path: Path) -> None:
        """Keep a copy of a file with the run."""
        raise NotImplementedError

    def close(self, is_complete: bool) -> None:
        """End the run, or leave it for a later process that goes on with it."""
        raise NotImplementedError


def figures_of(row: Mapping[str, Any]) -> Dict[str, float]:
    """{name: figure} of a row of metrics.jsonl.

    The names of a step's row are those of the file. COCO's figures are called bbox/AP, segm/AP50 ..., those
    of the average of the weights bbox_average/AP ..., as in TensorBoard.
    """
    suffix = "_average" if row.get("evaluated") == "average" else ""
    figures = {}
    for name, value in row.items():
        if name in _POSITION:
            continue
        if isinstance(value, Mapping):
            figures.update({f"{name}{suffix}/{figure}": number for figure, number in value.items()})
        else:
            figures[name] = value
    return {name: float(value) for name, value in figures.items() if isinstance(value, (int, float))}
