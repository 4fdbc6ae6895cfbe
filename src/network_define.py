"""The network with its losses, and one training step.

A step is one forward pass, its gradients, their limits, and the optimiser's update.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer

from .gradient_limits import GradientLimits, for_each

# What a step returns after the losses of `LossNet`.
STEP_NAMES = ("gradient_norm", "loss_scale", "skipped")
# The first value of a dynamic loss scale.
INITIAL_LOSS_SCALE = 65536.0


class LossNet(nn.Cell):
    """The losses of a training batch.

    Sums over samples are divided by the number of samples of all devices over the number of devices. So the
    mean of the devices' gradients is the gradient of one device with the whole batch.

    Args:
        network: A `MaskRcnn`.
        device_num: The number of devices.
    """

    def __init__(self, network, device_num=1):
        super().__init__(auto_prefix=False)
        self.network = network
        self.device_num = device_num
        self.all_reduce = ops.AllReduce() if device_num > 1 else None

    def normalize(self, count):
        """The divisor of a sum over the samples of this device.

        Args:
            count: The number of samples on this device, float32 scalar.

        Returns:
            The mean of the devices' counts, at least 1 over the number of devices, float32 scalar.
        """
        count = ops.stop_gradient(count)
        if self.device_num > 1:
            count = self.all_reduce(count) / self.device_num
        return ops.maximum(count, 1.0 / self.device_num)

    def construct(self, image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks):
        """Compute the losses of a batch.

        Args:
            image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks: As in `MaskRcnn.losses`.

        Returns:
            The total loss, float32 scalar, and the losses in the order of LOSS_NAMES, float32 [8].
        """
        rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask = self.network.losses(
            image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks, self.normalize
        )
        rpn = rpn_cls + rpn_reg
        rcnn = rcnn_cls + rcnn_reg + rcnn_mask
        total = rpn + rcnn
        return total, ops.stack((rpn, rcnn, rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask, total))


class TrainOneStep(nn.Cell):
    """One training step: losses and gradients of a batch, their mean over the devices, and the update.

    Args:
        loss_net: A `LossNet`.
        optimizer: A cell that is called with (lr, gradients), such as `MomentumSGD`: gradients of its
            `trained`, after its `device_means`. There may be fewer of these, as many as it has `weights`.
        loss_scale: What the loss is multiplied by before gradients are taken, or 'dynamic' (Micikevicius et
            al. 2018). A dynamic scale is halved when gradients are not finite, and that update is skipped. It
            is doubled after `window` finite updates in a row.
        device_num: The number of devices.
        limits: A `GradientLimits`; by default there is no limit.
        accumulate: How many batches make one update, with their mean gradient.
        average: A cell that is called after each update, or None.
        window: See `loss_scale`.
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
        self.loss_net = loss_net
        self.optimizer = optimizer
        self.limits = limits or GradientLimits()
        self.average = average
        self.accumulate = accumulate
        self.is_dynamic = loss_scale == "dynamic"
        self.static_scale = 1.0 if self.is_dynamic else loss_scale
        self.window = float(window)
        self.weights = optimizer.trained
        self.reducer = optimizer.device_means(device_num)
        # The names of these parameters are part of the format of checkpoints.
        if self.is_dynamic:
            self.scale = scalar_parameter("loss_scale", INITIAL_LOSS_SCALE)
            self.finite_updates = scalar_parameter("finite_updates", 0.0)
        if accumulate > 1:
            self.batches = scalar_parameter("accumulated_batches", 0.0)
            self.sums = ParameterTuple([zeros_like_weight(weight) for weight in optimizer.weights])
        self.value_and_gradients = ms.value_and_grad(self.scaled_loss, None, self.weights, has_aux=True)

    def checkpoint_parameters(self):
        """{name: Parameter} of what a checkpoint holds, as it is now."""
        return self.parameters_dict()

    def take_over(self):
        """Go on from the `checkpoint_parameters`, which were given other values before the first step.

        Later it would be too late: once a graph has run, MindSpore ignores new values of parameters that
        only a branch of it reads, such as the moments with accumulate_steps=2.
        """

    def scaled_loss(self, image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks):
        """The total loss times the loss scale, of which gradients are taken, and the losses as they are.

        Args:
            image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks: As in `MaskRcnn.losses`.

        Returns:
            float32 scalar, and the losses of `LossNet`, float32 [8].
        """
        total, losses = self.loss_net(image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks)
        return total * (self.scale if self.is_dynamic else self.static_scale), losses

    def construct(self, lr, image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks):
        """Train on a batch.

        Args:
            lr: The learning rate, float32 scalar.
            image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks: As in `MaskRcnn.losses`.

        Returns:
            float32 [11]: the eight losses of `LossNet`, and then STEP_NAMES: the gradients' global norm (0
            for a batch without an update), the loss scale after the step, and 1 if an update was skipped.
        """
        image = self.limits.before_batch(image)
        (_, losses), gradients = self.value_and_gradients(
            image, image_meta, sample_key, gt_boxes, gt_labels, gt_valid, gt_masks
        )
        if self.reducer is not None:
            gradients = self.reducer(gradients)
        if self.accumulate == 1:
            return ops.concat((losses, self.update(lr, gradients)))
        return ops.concat((losses, self.add_gradients(lr, gradients)))

    def add_gradients(self, lr, gradients):
        """Add a batch's gradients to the sums, and update after `accumulate` batches; see `update`."""
        for_each(ops.assign_add, self.sums, gradients)
        one = ops.depend(Tensor(1.0, ms.float32), self.limits.after_batch(gradients))
        ops.assign_add(self.batches, one)
        scale = self.scale.value() if self.is_dynamic else Tensor(self.static_scale, ms.float32)
        step_values = ops.stack((Tensor(0.0, ms.float32), scale, Tensor(0.0, ms.float32)))
        if self.batches >= self.accumulate:
            step_values = self.update(lr, self.sums)
            for_each(set_to_zero, self.sums)
            ops.assign(self.batches, Tensor(0.0, ms.float32))
        return step_values

    def update(self, lr, gradients):
        """Remove the loss scale from the gradients, limit them, and update the weights.

        Args:
            lr: The learning rate, float32 scalar.
            gradients: Sums over `accumulate` batches of the scaled loss's gradients, a tuple of float32
                arrays.

        Returns:
            float32 [3], the values of STEP_NAMES.
        """
        if not self.is_dynamic:
            unscale = Tensor(1.0 / (self.static_scale * self.accumulate), ms.float32)
            limited, norm = self.limits(gradients, unscale)
            norm = ops.depend(norm, self.apply_gradients(lr, limited))
            return ops.stack((norm, Tensor(self.static_scale, ms.float32), Tensor(0.0, ms.float32)))
        scale = self.scale.value()
        finite_updates = self.finite_updates.value()
        limited, norm = self.limits(gradients, 1.0 / (scale * self.accumulate))
        if ops.isfinite(norm):
            norm = ops.depend(norm, self.apply_gradients(lr, limited))
            should_double = finite_updates + 1.0 >= self.window
            ops.assign(self.scale, ops.select(should_double, 2.0 * scale, scale))
            ops.assign(self.finite_updates, ops.select(should_double, 0.0 * scale, finite_updates + 1.0))
            step_values = ops.stack((norm, self.scale.value(), 0.0 * scale))
        else:
            ops.assign(self.scale, 0.5 * scale)
            ops.assign(self.finite_updates, 0.0 * scale)
            step_values = ops.stack((0.0 * scale, 0.5 * scale, Tensor(1.0, ms.float32)))
        return step_values

    def apply_gradients(self, lr, gradients):
        """Update the weights and then their average.

        Args:
            lr: The learning rate, float32 scalar.
            gradients: The limited gradients, a tuple of float32 arrays, or groups of them.

        Returns:
            A value without a meaning. What depends on it runs after the update.
        """
        updated = self.optimizer(lr, gradients)
        if self.average is not None:
            updated = ops.depend(updated, self.average())
        return updated


def set_to_zero(parameter):
    return ops.assign(parameter, ops.zeros_like(parameter))


def scalar_parameter(name, value):
    """A float32 scalar that is part of the step state and is not trained."""
    return Parameter(Tensor(value, ms.float32), name=name, requires_grad=False)


def zeros_like_weight(weight):
    """A parameter of zeros with a weight's shape and dtype, for the sum of its gradients."""
    zeros = initializer("zeros", weight.shape, weight.dtype)
    return Parameter(zeros, name=f"accumulated.{weight.name}", requires_grad=False)
