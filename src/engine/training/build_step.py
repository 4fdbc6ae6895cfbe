"""The training step that a configuration describes, put together from its parts."""

from __future__ import annotations

from typing import Optional, Sequence, Union

import mindspore as ms
from mindspore import Parameter, nn

from ...config import Config
from ...device_limits import is_ascend_910, uses_graph_engine
from ...gradient_limits import GradientLimits
from ...maskrcnn.build import use_few_operators
from ...network_define import LossNet, TrainOneStep
from .joined_weights import JoinedStep
from .optimizer import AdamW, MomentumSGD, Optimizer
from .overflow import SaturationCheck
from .weight_average import WeightAverage

# Without a scale many gradients are under 6e-8, float16's least number. Against a scale of 1024, those of the
# mask head are off by 0.7% with a scale of 1, and by 5.8% if the loss is 16 times smaller.
FLOAT16_LOSS_SCALE = 1024.0


def make_step(
    config: Config, network: nn.Cell, device_num: int = 1, joined: Optional[bool] = None
) -> TrainOneStep:
    """The step cell for a network in training mode whose weights are loaded.

    `joined` is whether weights and their gradients are joined to a few arrays (`joined_weights.py`). By
    default they are on Ascend, where the number of operators counts, and not on the CPU, where copying them
    does, nor at jit_level O2: the graph engine takes the whole graph.

    Every Parameter of it (weights, optimiser state, sums of gradients, loss scale, average of the weights)
    has a name of its own, so saving and restoring them by name resumes a run exactly.
    """
    launches_each = ms.get_context("device_target") == "Ascend" and not uses_graph_engine()
    if launches_each:
        use_few_operators(network)
    if joined is None:
        joined = launches_each
    network.init_parameters_data()
    loss_scale = loss_scale_of(config, network.dtype)
    limits = GradientLimits(
        config.clip_grad_norm,
        config.clip_grad_value,
        scaled=loss_scale != 1 or config.accumulate_steps > 1,
        by_rows=not joined,
    )
    if reads_overflow_flags(config, network.dtype):
        limits = SaturationCheck(limits, device_num, accumulate=config.accumulate_steps)
    optimizer = make_optimizer(config, network.trainable_params(), network if joined else None)
    average = None
    if config.ema_decay is not None:
        untrained = [parameter for parameter in network.get_parameters() if not parameter.requires_grad]
        average = WeightAverage([*optimizer.weights, *untrained], config.ema_decay)
    step = JoinedStep if joined else TrainOneStep
    return step(
        LossNet(network, device_num),
        optimizer,
        loss_scale,
        device_num,
        limits,
        config.accumulate_steps,
        average,
        config.loss_scale_window,
    )


def loss_scale_of(config: Config, dtype: ms.Type) -> Union[float, str]:
    """The loss scale, or 'dynamic', of a network that computes in `dtype`."""
    if config.loss_scale != "auto":
        return config.loss_scale
    return FLOAT16_LOSS_SCALE if dtype == ms.float16 else 1.0


def reads_overflow_flags(config: Config, dtype: ms.Type) -> bool:
    """Whether overflows are told by the chip's flags: on Ascend 910, where they make no gradient infinite.

    With a dynamic scale such an update is skipped, with the default one the run ends, as with infinite
    gradients on other chips. A number of the user's own is the way on where flags have another cause.
    """
    if not is_ascend_910():
        return False
    return config.loss_scale == "dynamic" or config.loss_scale == "auto" and dtype == ms.float16


def make_optimizer(
    config: Config, weights: Sequence[Parameter], network: Optional[nn.Cell] = None
) -> Optimizer:
    """The optimiser that the key `optimizer` names; `network` as in `Optimizer`."""
    if config.optimizer == "adamw":
        return AdamW(weights, config.weight_decay, config.decay_biases, network=network)
    return MomentumSGD(weights, config.momentum, config.weight_decay, config.decay_biases, network)
