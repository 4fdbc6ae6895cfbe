"""The optimisers, as cells that take the learning rate as an input of every step."""

from __future__ import annotations

from typing import Optional, Sequence

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, mint, nn, ops
from mindspore.common.initializer import initializer

from ...gradient_limits import for_each
from .array_groups import JoinedGradients
from .joined_weights import JoinedWeights


class Optimizer(nn.Cell):
    """What the optimisers share: which weights decay, and their state arrays.

    Args:
        weights: The parameters that are trained.
        weight_decay: Acts on weights; not on the norms' gamma and beta.
        decay_biases: Whether it acts on biases too.
        network: The network of the weights, if they are joined; else they are updated one by one.

    Attributes:
        trained: What gradients are taken of: the weights, or the slots of `joined`.
        joined: The `JoinedWeights`, or None.
        weights: The arrays that are updated: the same, or those of `joined`.
        decays: The weight decay of each of these.
    """

    def __init__(
        self,
        weights: Sequence[Parameter],
        weight_decay: float,
        decay_biases: bool = True,
        network: Optional[nn.Cell] = None,
    ):
        super().__init__(auto_prefix=False)
        self.decays = tuple(weight_decay if decays(weight.name, decay_biases) else 0.0 for weight in weights)
        self.joined = None
        if network is not None:
            self.joined = JoinedWeights(network, weights, self.decays)
            self.decays = self.joined.decays
        self.trained = ParameterTuple(weights if self.joined is None else self.joined.slots)
        self.weights = ParameterTuple(weights if self.joined is None else self.joined.parameters)

    def device_means(self, device_num: int) -> Optional[nn.Cell]:
        """A cell that gives the means over the devices of a tuple of gradients, for each of `weights`.

        None if the gradients are that already.
        """
        if self.joined is not None:
            return JoinedGradients(self.joined.groups, device_num, self.joined.rows)
        return None if device_num == 1 else nn.DistributedGradReducer(self.weights, True, device_num)

    def zeros_like_weights(self, name: str) -> ParameterTuple:
        """A zero array for each weight, called `name`.WEIGHT, that the optimiser keeps between steps."""
        return ParameterTuple(
            [
                Parameter(
                    initializer("zeros", weight.shape, weight.dtype),
                    name=f"{name}.{weight.name}",
                    requires_grad=False,
                )
                for weight in self.weights
            ]
        )


class MomentumSGD(Optimizer):
    """v = momentum * v + g + weight_decay * w;  w = w - lr * v (Sutskever et al. 2013, without Nesterov)."""

    def __init__(
        self,
        weights: Sequence[Parameter],
        momentum: float,
        weight_decay: float,
        decay_biases: bool = True,
        network: Optional[nn.Cell] = None,
    ):
        super().__init__(weights, weight_decay, decay_biases, network)
        self.add_decay = add_decay if network is None else add_decay_at_once
        self.moments = self.zeros_like_weights("moments")
        self.momentum = momentum
        self.apply_momentum = ops.ApplyMomentum()

    def construct(self, lr, gradients):
        gradients = for_each(self.add_decay, self.decays, self.weights, gradients)
        update = ops.partial(momentum_update, self.apply_momentum, self.momentum, lr)
        return for_each(update, self.weights, self.moments, gradients)


def add_decay(decay, weight, gradient):
    """A weight's gradient with that of its decay."""
    return gradient + decay * weight if decay > 0 else gradient


def add_decay_at_once(decay, weight, gradient):
    """The same by one operator; on the CPU it rounds otherwise."""
    return mint.add(gradient, weight, alpha=decay) if decay > 0 else gradient


def momentum_update(apply_momentum, momentum, lr, weight, moment, gradient):
    """Update one weight and its moment; the result only orders the operators of a graph."""
    return apply_momentum(weight, moment, lr, gradient, momentum)


class AdamW(Optimizer):
    """Adam with bias correction (Kingma & Ba 2015) and decoupled weight decay (Loshchilov & Hutter 2019).

    `eps` is added before the bias correction of the second moment, as at the end of Kingma & Ba's section 2.
    """

    def __init__(
        self,
        weights: Sequence[Parameter],
        weight_decay: float,
        decay_biases: bool = True,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        network: Optional[nn.Cell] = None,
    ):
        super().__init__(weights, weight_decay, decay_biases, network)
        self.first = self.zeros_like_weights("adam_first")
        self.second = self.zeros_like_weights("adam_second")
        self.betas = betas
        self.eps = eps
        self.powers = ParameterTuple(
            [
                Parameter(Tensor(1.0, ms.float32), name=f"adam_power.{i}", requires_grad=False)
                for i in range(2)
            ]
        )
        self.apply_adam = ops.Adam()

    def construct(self, lr, gradients):
        power1 = self.powers[0] * self.betas[0]
        power2 = self.powers[1] * self.betas[1]
        done = ops.depend(True, (ops.assign(self.powers[0], power1), ops.assign(self.powers[1], power2)))
        update = ops.partial(adam_update, self.apply_adam, self.betas, self.eps, (power1, power2), lr)
        return ops.depend(
            done, for_each(update, self.decays, self.weights, self.first, self.second, gradients)
        )


def adam_update(apply_adam, betas, eps, powers, lr, decay, weight, first, second, gradient):
    """Update one weight and its moments; the result only orders the operators of a graph."""
    done = True
    if decay > 0:
        done = ops.depend(done, ops.assign(weight, weight * (1.0 - lr * decay)))
    return ops.depend(
        done, apply_adam(weight, first, second, powers[0], powers[1], lr, betas[0], betas[1], eps, gradient)
    )


def decays(name: str, biases: bool = True) -> bool:
    """Whether weight decay acts on a parameter: never on a norm's gamma and beta, on biases as told."""
    return not name.endswith((".gamma", ".beta")) and (biases or not name.endswith("bias"))
