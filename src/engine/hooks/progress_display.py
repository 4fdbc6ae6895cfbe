"""The progress bar of a training run."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections import deque
from typing import Any, Dict, Iterable, Optional, Tuple

import mindspore as ms

from ..display.loss_lines import LOSS_NAMES
from ..display.progress import Progress
from .hook import Hook, Step

WINDOW = 20  # steps: displayed losses are medians over them, as in detectron2


class ProgressDisplay(Hook):
    """A progress bar, or a line a minute, of the first rank; and one line on how the graph was obtained.

    Losses are medians of the last 20 steps. images/s counts all devices' pictures over the same steps. "data"
    is the share of the time that was spent waiting for pictures.

    Args:
        eval_interval: As of `evaluations_left`.
    """

    progress = None

    def __init__(self, eval_interval: Optional[int]):
        self.eval_interval = eval_interval

    def before_train(self, trainer) -> None:
        if trainer.device.rank == 0:
            self.progress = Progress(trainer.total_steps, "training", initial=trainer.global_step)
            self.progress.pauses_left = evaluations_left(trainer, self.eval_interval)
            self.window = deque(maxlen=WINDOW)
            self.first = True

    def after_step(self, trainer, step: Step) -> None:
        if self.progress is None:
            return
        if self.first:
            self.progress.write(
                f"the graph was {trainer.compile_summary}; first step, with that: {step.seconds:.1f} s"
            )
            self.first = False
            self.progress.update(1, loss=losses_text(step.losses), lr=step.lr)
            self.progress.restart_clock()
            return
        else:
            self.window.append((step.losses, step.data_seconds, step.seconds))
        recent = [losses for losses, _, _ in self.window] or [step.losses]
        medians = {name: statistics.median(losses[name] for losses in recent) for name in LOSS_NAMES}
        shown = {
            "loss": losses_text(medians),
            "lr": step.lr,
            "memory": f"{memory_gb(trainer.device.target):.1f} GB",
        }
        if self.window:
            shown.update(speed(self.window, trainer.images_per_step))
        if step.losses.get("loss_scale", 1.0) != 1.0:
            shown["scale"] = step.losses["loss_scale"]
        self.progress.update(1, **shown)

    def before_evaluation(self, trainer) -> None:
        self.evaluation_started = time.monotonic()

    def after_evaluation(self, trainer) -> None:
        if self.progress is not None:
            self.progress.pause(time.monotonic() - self.evaluation_started)
            self.progress.pauses_left = evaluations_left(trainer, self.eval_interval)

    def close(self, trainer) -> None:
        if self.progress is not None:
            self.progress.close()


def evaluations_left(trainer, interval: Optional[int]) -> int:
    """How many evaluations follow after the trainer's position, one every `interval` epochs (None: none).

    One is always at the end of the run.
    """
    if interval is None or trainer.global_step >= trainer.total_steps:
        return 0
    done = trainer.global_step
    first = trainer.epoch - (done - trainer.step_in_epoch) // trainer.steps_per_epoch  # the run's first epoch
    ends = range(trainer.steps_per_epoch, trainer.total_steps + 1, trainer.steps_per_epoch)
    due = [end for number, end in enumerate(ends, first + 1) if number % interval == 0 and end > done]
    return len(due) + (trainer.total_steps not in due)


def losses_text(losses: Dict[str, float]) -> str:
    """The total and the seven other losses in one short text, which shows what is a sum of what."""
    return (
        "{total_loss:.4g} = rpn {rpn_loss:.3g} (class {rpn_cls_loss:.3g} box {rpn_reg_loss:.3g}) "
        "+ rcnn {rcnn_loss:.3g} "
        "(class {rcnn_cls_loss:.3g} box {rcnn_reg_loss:.3g} mask {rcnn_mask_loss:.3g})"
    ).format(**losses)


def speed(window: Iterable[Tuple[Any, float, float]], pictures: int) -> Dict[str, Any]:
    """{"images/s": ..., "data": ...} of steps (losses, data_seconds, seconds) of `pictures` pictures each."""
    window = list(window)
    data_seconds = sum(item[1] for item in window)
    seconds = sum(item[2] for item in window)
    elapsed = max(data_seconds + seconds, 1e-9)
    return {"images/s": pictures * len(window) / elapsed, "data": f"{100 * data_seconds / elapsed:.0f}%"}


def memory_gb(target: str) -> float:
    """The most memory this process has held so far, in GB: the card's on Ascend, else the machine's."""
    if target == "Ascend":
        return ms.runtime.max_memory_allocated() / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
