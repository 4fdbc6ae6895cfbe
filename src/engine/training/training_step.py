"""The training step that a configuration describes: the network's losses, optimiser, gradient limits, loss scale, accumulation and average."""

from __future__ import annotations

from ...network_define import GradientLimits, LossNet, TrainOneStep
from .optimizer import WeightAverage, make_optimizer


def make_step(config, network, device_num=1):
    """The TrainOneStep of `config` for a network in training mode whose weights are loaded.

    Every Parameter of it (weights, optimiser state, sums of gradients, loss scale, average of the weights) has a name of its own, so that
    saving and restoring them by name continues a run exactly.
    """
    network.init_parameters_data()
    limits = GradientLimits(
        config.clip_grad_norm,
        config.clip_grad_value,
        scaled=config.loss_scale != 1 or config.accumulate_steps > 1,
    )
    average = (
        None if config.ema_decay is None else WeightAverage(list(network.get_parameters()), config.ema_decay)
    )
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
