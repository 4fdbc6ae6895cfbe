"""Hands the rows of metrics.jsonl to a tracker of experiments."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from ...errors import ConfigError, one_line
from ...evaluation.result_files import write_json
from ...log import logger
from ..display.metrics_file import FollowedMetrics
from ..tracking.choice import PLACES, default_store, make_tracker
from ..tracking.tracker import LostRunError, figures_of
from .checkpointing import Checkpointing
from .hook import Hook, Step

STATE = "tracker.json"


class Tracking(Hook):
    """One run of a tracker for a run of training, resumed or not; on the first rank.

    It comes after the hooks that write metrics.jsonl, its only source, and after `Checkpointing`. A row is
    handed over once a checkpoint holds its step: a run that is killed and resumed does no such step again, so
    that the tracker has each step once. Without checkpoints a row is handed over at once.

    tracker.json in the work folder says which run it is and which rows it has.

    Args:
        tracker: Its name.
        settings: All settings of the run.
        checkpointing: Tells when a checkpoint was written.
        files: Names of files of the work folder that are handed over at the end.
    """

    tracker = None  # set while there is one to write to
    is_complete = False

    def __init__(
        self, tracker: str, settings: Mapping[str, Any], checkpointing: Checkpointing, files: Sequence[str]
    ):
        self.name = tracker
        self.settings = settings
        self.checkpointing = checkpointing
        self.files = files

    def before_train(self, trainer) -> None:
        if trainer.device.rank != 0:
            return
        self.checkpoints = self.checkpointing.written
        self.state = self.resumed_state(trainer) or {
            "tracker": self.name,
            "store": default_store(self.name),
            "run": None,
            "rows": 0,
            "step": 0,
        }
        tracker = make_tracker(self.name)
        if not tracker.keeps_rows:
            self.state["rows"] = 0
        self.metrics = FollowedMetrics(trainer.work_dir / "metrics.jsonl", self.state["rows"])
        self.tell_monitor(trainer)
        try:
            self.state["run"] = tracker.open(
                self.state["store"], self.state["run"], trainer.work_dir.absolute().name, self.settings
            )
        except LostRunError:
            logger.warning(
                "tracker=%s: run %s was deleted in %s, and training goes on without a tracker; to begin a "
                "new run, which gets all rows of metrics.jsonl, stop this training, remove %s and resume",
                self.name,
                self.state["run"],
                self.state["store"],
                trainer.work_dir / STATE,
            )
            return
        except Exception as error:  # whatever the package raises, here and below
            if trainer.resumed is None:
                raise ConfigError(
                    f"tracker={self.name}: no run could be begun in {self.state['store']}: "
                    f"{describe(error)}; {PLACES[self.name]} names another place, tracker=none trains without"
                ) from error
            self.give_up(error)
            return
        self.tracker = tracker
        self.write_state(trainer)
        print(f"tracker: {self.name}, run {self.state['run']} in {self.state['store']}", flush=True)

    def resumed_state(self, trainer) -> Optional[Dict[str, Any]]:
        """What tracker.json says, where this run goes on with it."""
        path = trainer.work_dir / STATE
        if trainer.resumed is None or not path.exists():
            return None
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            reason = None
            if state["tracker"] != self.name:
                reason = f"tracker was {state['tracker']}"
            elif state["step"] > trainer.global_step:
                reason = f"run {state['run']} has steps up to {state['step']} already"
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{path} cannot be read ({describe(error)})"
        if reason is None:
            return state
        logger.info("tracker=%s: a new run is begun, as %s", self.name, reason)
        return None

    def after_step(self, trainer, step: Step) -> None:
        self.send_if_saved(trainer)

    def after_epoch(self, trainer) -> None:
        self.send_if_saved(trainer)

    def on_interrupt(self, trainer) -> None:
        self.send_if_saved(trainer)

    def after_train(self, trainer) -> None:
        self.attempt(self.send, trainer)
        self.attempt(self.send_files, trainer)
        self.is_complete = True

    def close(self, trainer) -> None:
        self.attempt(lambda _: self.tracker.close(self.is_complete), trainer)

    def send_if_saved(self, trainer) -> None:
        if not self.checkpointing.writes or self.checkpointing.written != self.checkpoints:
            self.checkpoints = self.checkpointing.written
            self.attempt(self.send, trainer)

    def attempt(self, action: Callable[[Any], None], trainer) -> None:
        """Do something with the tracker, if there is one; the first failure is told and ends its use."""
        if self.tracker is None:
            return
        self.tell_monitor(trainer)
        try:
            action(trainer)
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        self.tracker = None
        logger.warning(
            "tracker=%s failed, and training goes on without it; metrics.jsonl has every figure, and a "
            "resumed run hands over what is missing: %s",
            self.name,
            describe(error),
        )

    def send(self, trainer) -> None:
        """Hand over the rows that the tracker has not."""
        rows = self.metrics.new_rows()
        for number, row in enumerate(rows, self.state["rows"]):
            self.tracker.log(number, row["step"], figures_of(row))
        self.tracker.flush()
        if rows:
            self.state.update(rows=self.state["rows"] + len(rows), step=rows[-1]["step"])
            self.write_state(trainer)

    def send_files(self, trainer) -> None:
        for name in self.files:
            if (trainer.work_dir / name).exists():
                self.tracker.add_file(trainer.work_dir / name)

    def write_state(self, trainer) -> None:
        write_json(trainer.work_dir / STATE, self.state)

    def tell_monitor(self, trainer) -> None:
        trainer.device.group.report("while rank 0 wrote to the tracker", idle_limit=None)


def describe(error: Exception) -> str:
    """An error of another package on one line."""
    return one_line(f"{type(error).__name__}: {error}")[:300]
