"""The learning rate of every step as a pure function of the step: linear warm-up, then a cosine or steps
down; and how long a run is.

The schedule counts updates of the weights. With `accumulate_steps` k an update takes k training steps
(batches).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# detectron2's standard schedules (its model zoo's coco_schedule): updates of 16 pictures, the rate times 0.1
# at each milestone
REFERENCE_BATCH = 16
STANDARD = {
    "1x": (90_000, (60_000, 80_000)),
    "2x": (180_000, (120_000, 160_000)),
    "3x": (270_000, (210_000, 250_000)),
}


def learning_rate(step, base_lr, warmup_step, warmup_ratio, cosine_steps):
    """The learning rate of the original's schedule at `step` (from 0).

    Warm-up, step < W: base_lr * (r + (1 - r) * step / W). After it: base_lr * (1 + cos(pi * (step - W) / T))
    / 2 with T = cosine_steps (Loshchilov & Hutter 2017 without restarts); zero from step W + T on.
    """
    if step < warmup_step:
        return base_lr * warm_up(step, warmup_step, warmup_ratio)
    return base_lr * (1 + math.cos(math.pi * min(1.0, (step - warmup_step) / cosine_steps))) / 2


def multi_step_rate(step, base_lr, warmup_step, warmup_ratio, milestones, gamma=0.1):
    """base_lr * gamma^(milestones reached at `step`), times the warm-up's factor while step < warmup_step
    (Goyal et al. 2017).

    A milestone m is reached at step m, and steps count from the start of the warm-up, as in detectron2.
    """
    return (
        base_lr
        * gamma ** sum(step >= milestone for milestone in milestones)
        * warm_up(step, warmup_step, warmup_ratio)
    )


def warm_up(step, warmup_step, warmup_ratio):
    """The factor r + (1 - r) * step / W of a linear warm-up of W steps from r; 1 after it."""
    return warmup_ratio + (1 - warmup_ratio) * step / warmup_step if step < warmup_step else 1.0


@dataclass(frozen=True)
class Schedule:
    """A run's learning rates: `schedule(step)` for the run's training step, from 0.

    steps: training steps of the whole run, without those of the epochs that were done before it
        (`pretrain_epoch_size`), not limited by `max_steps`; accumulate: steps an update; done_before: updates
        that were done before; updates: of the schedule in all;
    peak: the rate after the warm-up; milestones, in updates, of a multi-step schedule, else empty; words: the
        schedule in a line for the log.
    """

    steps: int
    accumulate: int
    done_before: int
    updates: int
    peak: float
    warmup_step: int
    warmup_ratio: float
    cosine_steps: int
    milestones: tuple
    gamma: float
    words: str

    def __call__(self, step):
        update = self.done_before + step // self.accumulate
        if self.cosine_steps:
            return learning_rate(update, self.peak, self.warmup_step, self.warmup_ratio, self.cosine_steps)
        return multi_step_rate(
            update, self.peak, self.warmup_step, self.warmup_ratio, self.milestones, self.gamma
        )


def schedule(config, steps_per_epoch, device_num=1):
    """The Schedule of a run whose epochs have `steps_per_epoch` steps on each of `device_num` devices.

    cosine: T = int((base_step // N + N) * total_epoch) steps, over accumulate_steps; base_step, if not set,
        is the steps of one device alone.
    multi_step: lr_milestones, fractions of the run (up to 1) or updates. 1x, 2x, 3x: as many pictures as
        detectron2's, whatever the batch is. `base_batch`: base_lr is meant for updates of so many pictures,
        and is scaled to this run's in proportion (Goyal et al. 2017).
    """
    accumulate = config.accumulate_steps
    batch = config.batch_size * device_num * accumulate
    before = config.pretrain_epoch_size * steps_per_epoch // accumulate
    updates = config.epoch_size * steps_per_epoch // accumulate
    cosine_steps, milestones = 0, ()
    if config.lr_schedule == "cosine":
        base_step = config.base_step if config.base_step is not None else steps_per_epoch * device_num
        cosine_steps = max(1, int((base_step // device_num + device_num) * config.total_epoch) // accumulate)
    elif config.lr_schedule == "multi_step":
        milestones = tuple(
            round(updates * value) if value <= 1 else round(value) for value in config.lr_milestones
        )
    else:
        updates, milestones = standard(config.lr_schedule, batch)
    steps = (
        config.epoch_size * steps_per_epoch
        if config.lr_schedule in ("cosine", "multi_step")
        else updates * accumulate
    )
    peak = config.base_lr if config.base_batch is None else config.base_lr * batch / config.base_batch
    words = _words(config, peak, batch, updates, cosine_steps, milestones)
    return Schedule(
        max(0, steps - config.pretrain_epoch_size * steps_per_epoch),
        accumulate,
        before,
        updates,
        peak,
        config.warmup_step,
        config.warmup_ratio,
        cosine_steps,
        milestones,
        config.lr_gamma,
        words,
    )


def standard(name, batch):
    """(updates, milestones) of detectron2's schedule `name` for updates of `batch` pictures: as many pictures
    in all.
    """
    updates, milestones = STANDARD[name]
    return round(updates * REFERENCE_BATCH / batch), tuple(
        round(value * REFERENCE_BATCH / batch) for value in milestones
    )


def _words(config, peak, batch, updates, cosine_steps, milestones):
    text = f"learning rate: {peak:.6g}"
    if config.base_batch is not None:
        text += f" = base_lr {config.base_lr:g} x {batch}/{config.base_batch} "
        text += f"(linear rule: {batch} pictures an update)"
    text += f", warm-up of {config.warmup_step} updates from {peak * config.warmup_ratio:.4g}, then "
    if cosine_steps:
        return text + f"a cosine of {cosine_steps} updates"
    return (
        text
        + f"times {config.lr_gamma:g} at update {', '.join(str(value) for value in milestones)} of {updates}"
    )
