"""The training step that a configuration describes, put together from its parts."""

from __future__ import annotations

from typing import Optional, Sequence

import mindspore as ms
from mindspore import Parameter, nn

from ...config import Config
from ...network_define import GradientLimits, LossNet, TrainOneStep
from .optimizer import AdamW, MomentumSGD, Optimizer
from .weight_average import WeightAverage


def make_step(
    config: Config, network: nn.Cell, device_num: int = 1, grouped: Optional[bool] = None
) -> TrainOneStep:
    """The step cell for a network in training mode whose weights are loaded.

    `grouped` is whether gradients are joined to groups. By default they are on Ascend, where the number of
    operators counts, and not on the CPU, where copying them does.

    Every Parameter of it (weights, optimiser state, sums of gradients, loss scale, average of the weights)
    has a name of its own, so saving and restoring them by name resumes a run exactly.
    """
    if grouped is None:
        grouped = ms.get_context("device_target") == "Ascend"
    network.init_parameters_data()
    limits = GradientLimits(
        config.clip_grad_norm,
        config.clip_grad_value,
        scaled=config.loss_scale != 1 or config.accumulate_steps > 1,
        by_rows=not grouped,
    )
    average = None
    if config.ema_decay is not None:
        average = WeightAverage(list(network.get_parameters()), config.ema_decay)
    return TrainOneStep(
        LossNet(network, device_num),
        make_optimizer(config, network.trainable_params(), grouped),
        config.loss_scale,
        device_num,
        limits,
        config.accumulate_steps,
        average,
        config.loss_scale_window,
    )


def make_optimizer(config: Config, weights: Sequence[Parameter], grouped: bool = False) -> Optimizer:
    """The optimiser that the key `optimizer` names; `grouped` as in `Optimizer`."""
    if config.optimizer == "adamw":
        return AdamW(weights, config.weight_decay, config.decay_biases, grouped=grouped)
    return MomentumSGD(weights, config.momentum, config.weight_decay, config.decay_biases, grouped)
