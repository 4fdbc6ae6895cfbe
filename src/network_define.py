"""The network with its losses, and one training step: a single forward pass, gradients, their limits, update."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer


class LossNet(nn.Cell):
    """A training batch -> (total loss, the eight figures of a line of loss_{rank}.log in their order, float32 [8]).

    Sums over samples are divided by the number of samples of all devices over the number of devices, so that the mean of
    the devices' gradients is the gradient of one device with the whole batch.
    """

    def __init__(self, network, device_num=1):
        super().__init__(auto_prefix=False)
        self.network = network
        self.device_num = device_num
        self.all_reduce = ops.AllReduce() if device_num > 1 else None

    def normalize(self, count):
        count = ops.stop_gradient(count)
        if self.device_num > 1:
            count = self.all_reduce(count) / self.device_num
        return ops.maximum(count, 1.0 / self.device_num)

    def construct(self, image, image_meta, sample_key, boxes, labels, valid, masks):
        rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask = self.network.losses(
            image, image_meta, sample_key, boxes, labels, valid, masks, self.normalize
        )
        rpn, rcnn = rpn_cls + rpn_reg, rcnn_cls + rcnn_reg + rcnn_mask
        return rpn + rcnn, ops.stack((rpn, rcnn, rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask, rpn + rcnn))


class GradientLimits(nn.Cell):
    """(limited gradients, their global L2 norm before the limits). The norm is not finite if any gradient is not.

    Every gradient is multiplied by `unscale` (1 over what the loss was multiplied by); then its values are limited to +-clip_value, and then
    the global L2 norm to clip_norm (Pascanu et al. 2013), so that both limits hold. None: no limit.
    """

    def __init__(self, clip_norm=None, clip_value=None, scaled=True):
        super().__init__(auto_prefix=False)
        self.clip_norm, self.clip_value, self.scaled = clip_norm, clip_value, scaled

    def construct(self, gradients, unscale):
        norm = global_norm(gradients)
        norm = ops.select(
            ops.isfinite(norm), norm * unscale, norm
        )  # 2.8's CPU product of a computed NaN and a number is the number
        if self.clip_value is None and self.clip_norm is None and not self.scaled:
            return gradients, norm
        if self.clip_value is None:
            return scale_all(gradients, unscale * self.factor(norm)), norm
        limited = ()
        for gradient in gradients:
            limited += (ops.clip_by_value(gradient * unscale, -self.clip_value, self.clip_value),)
        if self.clip_norm is not None:
            limited = scale_all(limited, self.factor(global_norm(limited)))
        return limited, norm

    def factor(self, norm):
        if self.clip_norm is None:
            return 1.0
        return ops.minimum(self.clip_norm / (norm + 1e-6), Tensor(1.0, ms.float32))


def global_norm(gradients):
    """The L2 norm of all gradients together, float32 scalar. On the CPU a sum over the last axis is ten times as fast as one over all."""
    total = Tensor(0.0, ms.float32)
    for gradient in gradients:
        rows = gradient.reshape(gradient.shape[0], -1) if gradient.ndim > 1 else gradient
        total = total + (rows * rows).sum(-1).sum()
    return ops.sqrt(total)


def scale_all(gradients, factor):
    scaled = ()
    for gradient in gradients:
        scaled += (gradient * factor,)
    return scaled


# What a step returns after the losses of LossNet.
STEP_NAMES = ("gradient_norm", "loss_scale", "skipped")
FIRST_SCALE = 65536.0  # where a dynamic loss scale starts


class TrainOneStep(nn.Cell):
    """One training step: losses and gradients of a batch in one pass, mean over the devices, update by `optimizer(lr, gradients)`.

    limits: `GradientLimits`, by default none; average: a cell that is called after each
    update, or None; accumulate: batches whose mean gradient makes one update; loss_scale: what the loss is multiplied by before gradients
    are taken, or 'dynamic': halved by an update whose gradients are not finite, which then leaves the weights alone, and doubled after
    `window` finite ones in a row (Micikevicius et al. 2018).

    Returns float32 [11]: the eight figures of `LossNet`, then STEP_NAMES: the gradients' global norm (0 for a batch that only
    accumulates, and for a skipped update), the loss scale after the step, and 1 if an update was skipped.
    """

    def __init__(
        self,
        loss_net,
        optimizer,
        loss_scale=1.0,
        device_num=1,
        limits=None,
        accumulate=1,
        average=None,
        window=2000,
    ):
        super().__init__(auto_prefix=False)
        self.loss_net, self.optimizer, self.limits, self.average = (
            loss_net,
            optimizer,
            limits or GradientLimits(),
            average,
        )
        self.accumulate, self.dynamic, self.window = accumulate, loss_scale == "dynamic", float(window)
        self.static_scale = 1.0 if self.dynamic else loss_scale
        self.weights = optimizer.weights
        self.reducer = nn.DistributedGradReducer(self.weights, True, device_num) if device_num > 1 else None
        if self.dynamic:
            self.scale = number("loss_scale", FIRST_SCALE)
            self.finite_updates = number("finite_updates", 0.0)
        if accumulate > 1:
            self.batches = number("accumulated_batches", 0.0)
            self.sums = ParameterTuple(
                [
                    Parameter(
                        initializer("zeros", weight.shape, weight.dtype),
                        name=f"accumulated.{weight.name}",
                        requires_grad=False,
                    )
                    for weight in self.weights
                ]
            )
        self.value_and_gradients = ms.value_and_grad(self.scaled_loss, None, self.weights, has_aux=True)

    def scaled_loss(self, image, image_meta, sample_key, boxes, labels, valid, masks):
        total, figures = self.loss_net(image, image_meta, sample_key, boxes, labels, valid, masks)
        return total * (self.scale if self.dynamic else self.static_scale), figures

    def construct(self, lr, image, image_meta, sample_key, boxes, labels, valid, masks):
        (_, figures), gradients = self.value_and_gradients(
            image, image_meta, sample_key, boxes, labels, valid, masks
        )
        if self.reducer is not None:
            gradients = self.reducer(gradients)
        if self.accumulate == 1:
            return ops.concat((figures, self.update(lr, gradients)))
        return ops.concat((figures, self.add(lr, gradients)))

    def add(self, lr, gradients):
        """Add a batch's gradients; every `accumulate` of them make an update. Returns the figures of STEP_NAMES."""
        for i in range(len(self.sums)):
            ops.assign_add(self.sums[i], gradients[i])
        ops.assign_add(self.batches, 1.0)
        scale = self.scale.value() if self.dynamic else Tensor(self.static_scale, ms.float32)
        report = ops.stack((Tensor(0.0, ms.float32), scale, Tensor(0.0, ms.float32)))
        if self.batches >= self.accumulate:
            report = self.update(lr, self.sums)
            for i in range(len(self.sums)):
                ops.assign(self.sums[i], ops.zeros_like(self.sums[i]))
            ops.assign(self.batches, Tensor(0.0, ms.float32))
        return report

    def update(self, lr, gradients):
        """Use the gradients, which are sums over `accumulate` batches of the scaled loss's. Returns the figures of STEP_NAMES."""
        if not self.dynamic:
            limited, norm = self.limits(
                gradients, Tensor(1.0 / (self.static_scale * self.accumulate), ms.float32)
            )
            norm = ops.depend(norm, self.apply(lr, limited))
            return ops.stack((norm, Tensor(self.static_scale, ms.float32), Tensor(0.0, ms.float32)))
        scale, finite_updates = self.scale.value(), self.finite_updates.value()
        limited, norm = self.limits(gradients, 1.0 / (scale * self.accumulate))
        if ops.isfinite(norm):
            norm = ops.depend(norm, self.apply(lr, limited))
            grown = finite_updates + 1.0 >= self.window
            ops.assign(self.scale, ops.select(grown, 2.0 * scale, scale))
            ops.assign(self.finite_updates, ops.select(grown, 0.0 * scale, finite_updates + 1.0))
            report = ops.stack((norm, self.scale.value(), 0.0 * scale))
        else:
            ops.assign(self.scale, 0.5 * scale)
            ops.assign(self.finite_updates, 0.0 * scale)
            report = ops.stack((0.0 * scale, 0.5 * scale, Tensor(1.0, ms.float32)))
        return report

    def apply(self, lr, gradients):
        done = self.optimizer(lr, gradients)
        if self.average is not None:
            done = ops.depend(done, self.average())
        return done


def number(name, value):
    """A scalar float32 state of a step, which checkpoints hold by its name."""
    return Parameter(Tensor(value, ms.float32), name=name, requires_grad=False)
