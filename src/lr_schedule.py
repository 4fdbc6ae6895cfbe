"""The learning rate of every step: the original's linear warm-up and cosine, as a pure function of the step."""
from __future__ import annotations

import math


def learning_rate(step, base_lr, warmup_step, warmup_ratio, cosine_steps):
    """The learning rate at `step` (from 0).

    Warm-up, step < W: base_lr * (r + (1 - r) * step / W). After it: base_lr * (1 + cos(pi * (step - W) / T)) / 2 with T = cosine_steps
    (Loshchilov & Hutter 2017 without restarts); zero from step W + T on.
    """
    if step < warmup_step:
        return base_lr * (warmup_ratio + (1 - warmup_ratio) * step / warmup_step)
    return base_lr * (1 + math.cos(math.pi * min(1.0, (step - warmup_step) / cosine_steps))) / 2


def schedule(config, steps_per_epoch, device_num=1):
    """step -> learning rate of a run whose epochs have `steps_per_epoch` steps on each of `device_num` devices.

    The cosine takes T = int((base_step // N + N) * total_epoch) steps; base_step, if not set, is the steps of one device
    alone. A run that goes on from a model of epoch `pretrain_epoch_size` starts there.
    """
    base_step = config.base_step if config.base_step is not None else steps_per_epoch * device_num
    cosine_steps = int((base_step // device_num + device_num) * config.total_epoch)
    start = config.pretrain_epoch_size * steps_per_epoch

    def rate(step):
        return learning_rate(start + step, config.base_lr, config.warmup_step, config.warmup_ratio, cosine_steps)
    return rate
