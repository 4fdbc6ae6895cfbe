"""Weights & Biases, offline: files in a folder, which `wandb sync` uploads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Mapping, Optional

from .tracker import Tracker

PROJECT = "mask_rcnn"
STEP = "step"  # the horizontal axis


class WandbTracker(Tracker):
    """A run of wandb without a network.

    A process that goes on with a run writes a folder of its own, with the same identifier and all rows:
    those that wandb had not written yet when a process was killed are lost. wandb's own step is the number of
    the row, which only rises, and the step of the training a figure beside the others: wandb leaves out what
    comes late for a step, such as an evaluation.
    """

    keeps_rows = False

    def open(self, store: str, run: Optional[str], name: str, settings: Mapping[str, Any]) -> str:
        check_folder(Path(store))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # offline means offline
        import wandb

        self.run = wandb.init(
            project=PROJECT,
            dir=store,
            id=run,
            name=name,
            config=json.loads(json.dumps(settings)),
            mode="offline",
            settings=wandb.Settings(console="off", silent=True),
        )
        self.run.define_metric("*", step_metric=STEP)
        return self.run.id

    def log(self, number: int, step: int, figures: Mapping[str, float]) -> None:
        self.run.log({STEP: step, **figures}, step=number, commit=True)

    def add_file(self, path: Path) -> None:
        copy = shutil.copy(path, self.run.dir)  # wandb itself would keep a link
        self.run.save(copy, base_path=self.run.dir, policy="now")

    def close(self, is_complete: bool) -> None:
        self.run.finish(exit_code=0 if is_complete else 1)


def check_folder(folder: Path) -> None:
    """Make a folder, and write to it: where wandb cannot, it writes to the temporary folder instead.

    Raises:
        OSError: The folder cannot be made, or not be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            os.listdir(folder)  # wandb asks for this, too
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
