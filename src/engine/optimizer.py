"""Stochastic gradient descent with momentum, as a cell that is handed its learning rate at every step."""
from __future__ import annotations

from mindspore import Parameter, ParameterTuple, nn, ops
from mindspore.common.initializer import initializer


class MomentumSGD(nn.Cell):
    """v = momentum * v + g + weight_decay * w;  w = w - lr * v (Sutskever et al. 2013, without Nesterov).

    Norm scales and shifts (gamma, beta) have no weight decay. `weights` are the parameters that are trained.
    """

    def __init__(self, weights, momentum, weight_decay, loss_scale=1.0):
        super().__init__(auto_prefix=False)
        self.weights = ParameterTuple(weights)
        self.moments = ParameterTuple([Parameter(initializer("zeros", weight.shape, weight.dtype), name=f"moments.{weight.name}",
                                                 requires_grad=False) for weight in weights])
        self.decays = tuple(0.0 if is_norm(weight.name) else weight_decay for weight in weights)
        self.momentum, self.unscale = momentum, 1.0 / loss_scale
        self.apply_momentum = ops.ApplyMomentum()

    def construct(self, lr, gradients):
        done = True
        for i in range(len(self.decays)):
            gradient = gradients[i] if self.unscale == 1.0 else gradients[i] * self.unscale
            if self.decays[i] > 0:
                gradient = gradient + self.decays[i] * self.weights[i]
            done = ops.depend(done, self.apply_momentum(self.weights[i], self.moments[i], lr, gradient, self.momentum))
        return done


def is_norm(name):
    """Whether a parameter is a norm's scale or shift."""
    return name.endswith((".gamma", ".beta"))
