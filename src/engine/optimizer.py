"""The optimisers, as cells that are handed their learning rate at every step."""
from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer


class Optimizer(nn.Cell):
    """What the optimisers share: unscaled, clipped gradients, and weight decay on all weights but the norms' scales and shifts.

    weights: the parameters that are trained; loss_scale: what the loss was multiplied by; clip_norm: the gradients' global
    L2 norm is limited to this (Pascanu et al. 2013), None: not.
    """

    def __init__(self, weights, weight_decay, loss_scale=1.0, clip_norm=None):
        super().__init__(auto_prefix=False)
        self.weights = ParameterTuple(weights)
        self.decays = tuple(0.0 if is_norm(weight.name) else weight_decay for weight in weights)
        self.unscale, self.clip_norm = 1.0 / loss_scale, clip_norm

    def state(self, name):
        """A zero array a weight, to be kept by the optimiser."""
        return ParameterTuple([Parameter(initializer("zeros", weight.shape, weight.dtype), name=f"{name}.{weight.name}", requires_grad=False)
                               for weight in self.weights])

    def factor(self, gradients):
        """What every gradient is multiplied by before it is used."""
        factor = Tensor(self.unscale, ms.float32)
        if self.clip_norm is None:
            return factor
        squares = Tensor(0.0, ms.float32)
        for gradient in gradients:
            squares = squares + ops.square(gradient).sum()
        return factor * ops.minimum(self.clip_norm / (ops.sqrt(squares) * factor + 1e-6), Tensor(1.0, ms.float32))


class MomentumSGD(Optimizer):
    """v = momentum * v + g + weight_decay * w;  w = w - lr * v (Sutskever et al. 2013, without Nesterov)."""

    def __init__(self, weights, momentum, weight_decay, loss_scale=1.0, clip_norm=None):
        super().__init__(weights, weight_decay, loss_scale, clip_norm)
        self.moments, self.momentum = self.state("moments"), momentum
        self.apply_momentum = ops.ApplyMomentum()

    def construct(self, lr, gradients):
        factor = self.factor(gradients)
        plain = self.unscale == 1.0 and self.clip_norm is None
        done = True
        for i in range(len(self.decays)):
            gradient = gradients[i] if plain else gradients[i] * factor
            if self.decays[i] > 0:
                gradient = gradient + self.decays[i] * self.weights[i]
            done = ops.depend(done, self.apply_momentum(self.weights[i], self.moments[i], lr, gradient, self.momentum))
        return done


class AdamW(Optimizer):
    """Adam with bias correction (Kingma & Ba 2015) and decoupled weight decay (Loshchilov & Hutter 2019)."""

    def __init__(self, weights, weight_decay, loss_scale=1.0, clip_norm=None, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(weights, weight_decay, loss_scale, clip_norm)
        self.first, self.second, self.betas, self.eps = self.state("adam_first"), self.state("adam_second"), betas, eps
        self.powers = ParameterTuple([Parameter(Tensor(1.0, ms.float32), name=f"adam_power.{i}", requires_grad=False) for i in range(2)])
        self.apply_adam = ops.Adam()

    def construct(self, lr, gradients):
        factor = self.factor(gradients)
        power1, power2 = self.powers[0] * self.betas[0], self.powers[1] * self.betas[1]
        done = ops.depend(True, (ops.assign(self.powers[0], power1), ops.assign(self.powers[1], power2)))
        for i in range(len(self.decays)):
            if self.decays[i] > 0:
                done = ops.depend(done, ops.assign(self.weights[i], self.weights[i] * (1.0 - lr * self.decays[i])))
            done = ops.depend(done, self.apply_adam(self.weights[i], self.first[i], self.second[i], power1, power2, lr, self.betas[0],
                                                    self.betas[1], self.eps, gradients[i] * factor))
        return done


def make_optimizer(config, weights):
    """The optimiser that `config` names."""
    if config.optimizer == "adamw":
        return AdamW(weights, config.weight_decay, config.loss_scale, config.clip_grad_norm)
    return MomentumSGD(weights, config.momentum, config.weight_decay, config.loss_scale, config.clip_grad_norm)


def is_norm(name):
    """Whether a parameter is a norm's scale or shift."""
    return name.endswith((".gamma", ".beta"))
