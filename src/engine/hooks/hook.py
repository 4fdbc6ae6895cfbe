"""What goes on around a training run's steps: one hook a concern, called by `trainer.Run` in the order of its list.

    class Watch(Hook):
        def step(self, run, step):
            print(step.done, step.losses["total_loss"])

`trainer.default_hooks` makes the list, to which `trainer.train(config, work_dir, hooks)` adds the caller's own. A hook that raises ends the run;
every hook's `close` is called then too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..display.progress import LossLog, cut_loss_log


@dataclass(frozen=True)
class Step:
    """One training step that has just ended.

    epoch, place: the epoch and the step within it, from 1; done: steps of the run, with this one; rate: its learning rate; losses:
    {name of LOSS_NAMES, STEP_NAMES: float}; batch: arrays as `examples.batch_layout` describes; waited, seconds: wall time spent waiting for the
    batch, and for the step itself (with the graph's compilation, if it was the first).
    """

    epoch: int
    place: int
    done: int
    rate: float
    losses: dict
    batch: dict
    waited: float
    seconds: float


class Hook:
    """What a hook may do; every method is called on every rank, and `run` tells where the run is and what it trains.

    Within all of them `run.epoch` is the epoch (from 0) and `run.place` the number of its steps that are done; `run.resumed` is None for a
    run that starts, else what it goes on from (`resume.Resumed`). What `state` returns (JSON-able) travels in every checkpoint, under the
    class's name, and comes back through `restore` before `start` when the run is resumed. A hook sets `run.finish = "why"`, on every rank,
    to end the run after the epoch's end. What only some ranks do, the others wait for with `run.device.team.meet()`.
    """

    def start(self, run):
        """Before the first step."""

    def step(self, run, step):
        """After every step; `step` is a Step."""

    def epoch(self, run):
        """After the last step of a whole epoch."""

    def end(self, run):
        """After the last step of a run that came to its end."""

    def rescue(self, run):
        """When a signal or a fault elsewhere (a data worker, another rank) ends the run between two steps: keep what should be kept."""

    def close(self, run):
        """Always, and last: free what `start` took. The run may have failed, even within `start`."""

    def state(self):
        return None

    def restore(self, state):
        pass


class LossLines(Hook):
    """loss_{rank}.log: one line every log_interval steps, and one for the last step."""

    def start(self, run):
        path = run.work_dir / f"loss_{run.device.rank}.log"
        if run.resumed is None:
            path.unlink(missing_ok=True)  # a run has a log of its own
        else:
            epoch, place = run.resumed.place
            cut_loss_log(path, epoch + 1, place)  # what a killed run did after it last saved is done again
        self.log = LossLog(path)

    def step(self, run, step):
        if step.done % run.config.log_interval == 0 or step.done >= run.total:
            self.log.write(step.epoch, step.place, step.losses)

    def close(self, run):
        if hasattr(self, "log"):
            self.log.close()


class Stopwatch:
    """Seconds since the last call (or since it was made)."""

    def __init__(self):
        self.last = time.perf_counter()

    def __call__(self):
        now = time.perf_counter()
        gone, self.last = now - self.last, now
        return gone
