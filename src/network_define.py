"""The network with its losses, and one training step: a single forward pass, gradients, update."""
from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops


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
        rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask = self.network.losses(image, image_meta, sample_key, boxes, labels, valid, masks,
                                                                             self.normalize)
        rpn, rcnn = rpn_cls + rpn_reg, rcnn_cls + rcnn_reg + rcnn_mask
        return rpn + rcnn, ops.stack((rpn, rcnn, rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask, rpn + rcnn))


class TrainOneStep(nn.Cell):
    """One step: losses and gradients of a batch in one pass, mean over the devices, update by `optimizer(lr, gradients)`.

    Returns the eight figures of `LossNet`, float32 [8].
    """

    def __init__(self, loss_net, optimizer, loss_scale=1.0, device_num=1):
        super().__init__(auto_prefix=False)
        self.loss_net, self.optimizer, self.scale = loss_net, optimizer, loss_scale
        self.weights = optimizer.weights
        self.reducer = nn.DistributedGradReducer(self.weights, True, device_num) if device_num > 1 else None
        self.value_and_gradients = ms.value_and_grad(self.scaled_loss, None, self.weights, has_aux=True)

    def scaled_loss(self, image, image_meta, sample_key, boxes, labels, valid, masks):
        total, figures = self.loss_net(image, image_meta, sample_key, boxes, labels, valid, masks)
        return total * self.scale, figures

    def construct(self, lr, image, image_meta, sample_key, boxes, labels, valid, masks):
        (_, figures), gradients = self.value_and_gradients(image, image_meta, sample_key, boxes, labels, valid, masks)
        if self.reducer is not None:
            gradients = self.reducer(gradients)
        return ops.depend(figures, self.optimizer(lr, gradients))
