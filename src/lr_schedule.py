"""The learning rate of every step as a pure function of the step, and how long a run is.

The rate rises linearly in a warm-up, and then falls as a cosine or in steps. The schedule counts updates of
the weights. With `accumulate_steps` k an update takes k training steps (batches).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Sequence, Tuple

from .config import Config


class StandardSchedule(NamedTuple):
    """The length of a run and its milestones, in updates.

    Attributes:
        updates: Updates of the whole run.
        milestones: The updates at which the rate falls.
    """

    updates: int
    milestones: Tuple[int, ...]


# detectron2's standard schedules (its model zoo's coco_schedule), for updates of this many pictures.
REFERENCE_BATCH = 16
STANDARD_SCHEDULES = {
    "1x": StandardSchedule(90_000, (60_000, 80_000)),
    "2x": StandardSchedule(180_000, (120_000, 160_000)),
    "3x": StandardSchedule(270_000, (210_000, 250_000)),
}


def cosine_rate(
    update: int, peak_lr: float, warmup_step: int, warmup_ratio: float, cosine_steps: int
) -> float:
    """The learning rate of a warm-up and then a cosine, which is the original's schedule.

    With W = warmup_step and T = cosine_steps it is peak_lr * (1 + cos(pi * (update - W) / T)) / 2 after the
    warm-up (Loshchilov & Hutter 2017, without restarts), and zero from update W + T on.

    Args:
        update: The update, from 0.
        peak_lr: The rate after the warm-up.
        warmup_step, warmup_ratio: See `warmup_factor`.
        cosine_steps: Updates of the cosine.
    """
    if update < warmup_step:
        return peak_lr * warmup_factor(update, warmup_step, warmup_ratio)
    return peak_lr * (1 + math.cos(math.pi * min(1.0, (update - warmup_step) / cosine_steps))) / 2


def multi_step_rate(
    update: int,
    peak_lr: float,
    warmup_step: int,
    warmup_ratio: float,
    milestones: Sequence[int],
    gamma: float = 0.1,
) -> float:
    """The learning rate of a warm-up and then steps down (Goyal et al. 2017).

    It is peak_lr * gamma^(milestones reached), times the factor of the warm-up. A milestone m is reached at
    update m, counted from the start of the warm-up, as in detectron2.

    Args:
        update: The update, from 0.
        peak_lr: The rate after the warm-up.
        warmup_step, warmup_ratio: See `warmup_factor`.
        milestones: The updates at which the rate falls.
        gamma: What the rate is multiplied by at each milestone.
    """
    reached = sum(update >= milestone for milestone in milestones)
    return peak_lr * gamma**reached * warmup_factor(update, warmup_step, warmup_ratio)


def warmup_factor(update: int, warmup_step: int, warmup_ratio: float) -> float:
    """The factor of a linear warm-up: r + (1 - r) * update / W, and 1 after it.

    Args:
        update: The update, from 0.
        warmup_step: W, updates of the warm-up.
        warmup_ratio: r, the first factor.
    """
    if update >= warmup_step:
        return 1.0
    return warmup_ratio + (1 - warmup_ratio) * update / warmup_step


@dataclass(frozen=True)
class Schedule:
    """The learning rates of a run: `schedule(step)` for its training step, from 0.

    Attributes:
        steps: Training steps of the run, without those of the epochs that were done before it
            (`pretrain_epoch_size`). `max_steps` does not limit it.
        accumulate_steps: Training steps of an update.
        first_update: The update that the run begins with; more than 0 after `pretrain_epoch_size` epochs.
        updates: Updates of the whole schedule.
        peak_lr: The rate after the warm-up.
        warmup_step: Updates of the warm-up.
        warmup_ratio: The first rate, as a fraction of peak_lr.
        cosine_steps: Updates of the cosine; 0 for a schedule with milestones.
        milestones: The updates at which the rate falls; empty for a cosine.
        gamma: What the rate is multiplied by at each milestone.
        description: The schedule in one line, for the log.
    """

    steps: int
    accumulate_steps: int
    first_update: int
    updates: int
    peak_lr: float
    warmup_step: int
    warmup_ratio: float
    cosine_steps: int
    milestones: Tuple[int, ...]
    gamma: float
    description: str

    def __call__(self, step: int) -> float:
        """The learning rate of a training step of the run, from 0."""
        update = self.first_update + step // self.accumulate_steps
        if self.cosine_steps:
            return cosine_rate(update, self.peak_lr, self.warmup_step, self.warmup_ratio, self.cosine_steps)
        return multi_step_rate(
            update, self.peak_lr, self.warmup_step, self.warmup_ratio, self.milestones, self.gamma
        )


def schedule(config: Config, steps_per_epoch: int, device_num: int = 1) -> Schedule:
    """The learning rates and the length of a run, as `lr_schedule` says.

    cosine: see `_cosine_steps`.
    multi_step: lr_milestones are fractions of the run (up to 1), or updates.
    1x, 2x, 3x: as many pictures as detectron2's schedules, whatever the batch is.

    With base_batch, base_lr is meant for updates of so many pictures. It is then scaled in proportion to the
    pictures of this run's updates (Goyal et al. 2017).

    Args:
        config: The run's settings.
        steps_per_epoch: Steps of an epoch on each device.
        device_num: The number of devices.
    """
    batch = config.batch_size * device_num * config.accumulate_steps
    steps = config.epoch_size * steps_per_epoch
    steps_before = config.pretrain_epoch_size * steps_per_epoch
    updates = steps // config.accumulate_steps
    cosine_steps = 0
    milestones = ()
    if config.lr_schedule == "cosine":
        cosine_steps = _cosine_steps(config, steps_per_epoch, device_num)
    elif config.lr_schedule == "multi_step":
        milestones = tuple(
            round(updates * value) if value <= 1 else round(value) for value in config.lr_milestones
        )
    else:
        updates, milestones = standard_schedule(config.lr_schedule, batch)
        steps = updates * config.accumulate_steps
    peak_lr = config.base_lr if config.base_batch is None else config.base_lr * batch / config.base_batch
    return Schedule(
        steps=max(0, steps - steps_before),
        accumulate_steps=config.accumulate_steps,
        first_update=steps_before // config.accumulate_steps,
        updates=updates,
        peak_lr=peak_lr,
        warmup_step=config.warmup_step,
        warmup_ratio=config.warmup_ratio,
        cosine_steps=cosine_steps,
        milestones=milestones,
        gamma=config.lr_gamma,
        description=_describe(config, peak_lr, batch, updates, cosine_steps, milestones),
    )


def _cosine_steps(config: Config, steps_per_epoch: int, device_num: int) -> int:
    """The length of the cosine in updates: int((base_step // N + N) * total_epoch) // accumulate_steps.

    N is the number of devices. base_step, if it is not set, is the number of steps that one device alone
    would take in an epoch. The formula is the original's.
    """
    base_step = config.base_step if config.base_step is not None else steps_per_epoch * device_num
    steps = int((base_step // device_num + device_num) * config.total_epoch)
    return max(1, steps // config.accumulate_steps)


def standard_schedule(name: str, batch: int) -> StandardSchedule:
    """detectron2's schedule of this name, with as many pictures in all, for updates of `batch` pictures."""
    standard = STANDARD_SCHEDULES[name]
    updates = round(standard.updates * REFERENCE_BATCH / batch)
    milestones = tuple(round(value * REFERENCE_BATCH / batch) for value in standard.milestones)
    return StandardSchedule(updates, milestones)


def _describe(
    config: Config, peak_lr: float, batch: int, updates: int, cosine_steps: int, milestones: Sequence[int]
) -> str:
    """The schedule in one line; the arguments are those of `Schedule`, and the pictures of an update."""
    text = f"learning rate: {peak_lr:.6g}"
    if config.base_batch is not None:
        text += f" = base_lr {config.base_lr:g} x {batch}/{config.base_batch} "
        text += f"(linear rule: {batch} pictures an update)"
    text += f", warm-up of {config.warmup_step} updates from {peak_lr * config.warmup_ratio:.4g}, then "
    if cosine_steps:
        return text + f"a cosine of {cosine_steps} updates"
    falls = ", ".join(str(value) for value in milestones)
    return text + f"times {config.lr_gamma:g} at update {falls} of {updates}"
