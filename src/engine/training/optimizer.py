"""The optimisers, as cells that are handed their learning rate at every step; the average of the weights."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer


class Optimizer(nn.Cell):
    """What the optimisers share: which weights decay, and state arrays.

    weights: the parameters that are trained; weight_decay: not on the norms' scales and shifts, and on biases only if `decay_biases`.
    """

    def __init__(self, weights, weight_decay, decay_biases=True):
        super().__init__(auto_prefix=False)
        self.weights = ParameterTuple(weights)
        self.decays = tuple(weight_decay if decays(weight.name, decay_biases) else 0.0 for weight in weights)

    def state(self, name):
        """A zero array a weight, to be kept by the optimiser."""
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

    def __init__(self, weights, momentum, weight_decay, decay_biases=True):
        super().__init__(weights, weight_decay, decay_biases)
        self.moments, self.momentum = self.state("moments"), momentum
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

    def __init__(self, weights, weight_decay, decay_biases=True, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(weights, weight_decay, decay_biases)
        self.first, self.second, self.betas, self.eps = (
            self.state("adam_first"),
            self.state("adam_second"),
            betas,
            eps,
        )
        self.powers = ParameterTuple(
            [
                Parameter(Tensor(1.0, ms.float32), name=f"adam_power.{i}", requires_grad=False)
                for i in range(2)
            ]
        )
        self.apply_adam = ops.Adam()

    def construct(self, lr, gradients):
        power1, power2 = self.powers[0] * self.betas[0], self.powers[1] * self.betas[1]
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


class WeightAverage(nn.Cell):
    """The exponential moving average of a network's parameters (Polyak & Juditsky 1992): average += (1 - d) * (weight - average).

    d = min(decay, (1 + t) / (10 + t)) at update t from 0, so that a short run's average is not its first weights (TensorFlow's
    ExponentialMovingAverage with num_updates). Norms' moving statistics are averaged like weights.
    """

    def __init__(self, parameters, decay):
        super().__init__(auto_prefix=False)
        self.sources, self.decay = ParameterTuple(parameters), decay
        self.averages = ParameterTuple(
            [
                Parameter(Tensor(source.asnumpy()), name=f"ema.{source.name}", requires_grad=False)
                for source in parameters
            ]
        )
        self.updates = Parameter(Tensor(0.0, ms.float32), name="ema_updates", requires_grad=False)

    def construct(self):
        step = self.updates.value()
        rest = 1.0 - ops.minimum((1.0 + step) / (10.0 + step), Tensor(self.decay, ms.float32))
        done = ops.depend(True, ops.assign(self.updates, step + 1.0))
        for i in range(len(self.averages)):
            done = ops.depend(
                done, ops.assign_add(self.averages[i], rest * (self.sources[i] - self.averages[i]))
            )
        return done


def make_optimizer(config, weights):
    """The optimiser that `config` names."""
    if config.optimizer == "adamw":
        return AdamW(weights, config.weight_decay, config.decay_biases)
    return MomentumSGD(weights, config.momentum, config.weight_decay, config.decay_biases)


def decays(name, biases=True):
    """Whether weight decay acts on a parameter: never on a norm's scale or shift, and on biases as told."""
    return not name.endswith((".gamma", ".beta")) and (biases or not name.endswith("bias"))
