"""The training step that a configuration describes, put together from its parts."""

from __future__ import annotations

from typing import Sequence

from mindspore import Parameter, nn

from ...config import Config
from ...network_define import GradientLimits, LossNet, TrainOneStep
from .optimizer import AdamW, MomentumSGD, Optimizer
from .weight_average import WeightAverage


def make_step(config: Config, network: nn.Cell, device_num: int = 1) -> TrainOneStep:
    """The step cell for a network in training mode whose weights are loaded.

    Every Parameter of it (weights, optimiser state, sums of gradients, loss scale, average of the weights)
    has a name of its own, so saving and restoring them by name resumes a run exactly.
    """
    network.init_parameters_data()
    limits = GradientLimits(
        config.clip_grad_norm,
        config.clip_grad_value,
        scaled=config.loss_scale != 1 or config.accumulate_steps > 1,
    )
    average = None
    if config.ema_decay is not None:
        average = WeightAverage(list(network.get_parameters()), config.ema_decay)
    return TrainOneStep(
        LossNet(network, device_num),
        make_optimizer(config, network.trainable_params()),
        config.loss_scale,
        device_num,
        limits,
        config.accumulate_steps,
        average,
        config.loss_scale_window,
    )


def make_optimizer(config: Config, weights: Sequence[Parameter]) -> Optimizer:
    """The optimiser that the key `optimizer` names."""
    if config.optimizer == "adamw":
        return AdamW(weights, config.weight_decay, config.decay_biases)
    return MomentumSGD(weights, config.momentum, config.weight_decay, config.decay_biases)
