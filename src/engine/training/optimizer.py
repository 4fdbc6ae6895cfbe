"""The optimisers, as cells that take the learning rate as an input of every step."""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer


class Optimizer(nn.Cell):
    """What the optimisers share: which weights decay, and their state arrays.

    Args:
        weights: The parameters that are trained.
        weight_decay: Acts on weights; not on the norms' gamma and beta.
        decay_biases: Whether it acts on biases too.
    """

    def __init__(self, weights: Sequence[Parameter], weight_decay: float, decay_biases: bool = True):
        super().__init__(auto_prefix=False)
        self.weights = ParameterTuple(weights)
        self.decays = tuple(weight_decay if decays(weight.name, decay_biases) else 0.0 for weight in weights)

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
        self, weights: Sequence[Parameter], momentum: float, weight_decay: float, decay_biases: bool = True
    ):
        super().__init__(weights, weight_decay, decay_biases)
        self.moments = self.zeros_like_weights("moments")
        self.momentum = momentum
        self.apply_momentum = ops.ApplyMomentum()

    def construct(self, lr, gradients):
        done = True
        for i in range(len(self.decays)):
            gradient = gradients[i]
            if self.decays[i] > 0:
                gradient = gradient + self.decays[i] * self.weights[i]
            done = ops.depend(
                done, self.apply_momentum(self.weights[i], self.moments[i], lr, gradient, self.momentum)
            )
        return done


class AdamW(Optimizer):
    """Adam with bias correction (Kingma & Ba 2015) and decoupled weight decay (Loshchilov & Hutter 2019)."""

    def __init__(
        self,
        weights: Sequence[Parameter],
        weight_decay: float,
        decay_biases: bool = True,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__(weights, weight_decay, decay_biases)
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
        for i in range(len(self.decays)):
            if self.decays[i] > 0:
                done = ops.depend(
                    done, ops.assign(self.weights[i], self.weights[i] * (1.0 - lr * self.decays[i]))
                )
            done = ops.depend(
                done,
                self.apply_adam(
                    self.weights[i],
                    self.first[i],
                    self.second[i],
                    power1,
                    power2,
                    lr,
                    self.betas[0],
                    self.betas[1],
                    self.eps,
                    gradients[i],
                ),
            )
        return done


def decays(name: str, biases: bool = True) -> bool:
    """Whether weight decay acts on a parameter: never on a norm's gamma and beta, on biases as told."""
    return not name.endswith((".gamma", ".beta")) and (biases or not name.endswith("bias"))
