"""The box branch of the second stage (Girshick 2015): fully connected layers, class scores, class-specific box deltas, two losses."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .layers import Conv, Dense, constant, conv_norm_at, norm_list
from .ops import boxes as box_ops
from .ops.losses import cross_entropy, smooth_l1


class BoxHead(nn.Cell):
    """RoI features [R, C, 7, 7] -> class logits [R, num_classes] and box deltas [R, num_classes, 4], float32.

    `rcnn_num_convs` convolutions, with the norm `rcnn_norm`, come before the fully connected layers (Wu & He 2018: the '4conv1fc' head).
    """

    def __init__(self, config, dtype=ms.float32):
        super().__init__()
        self.num_classes = config.num_classes
        self.means, self.stds, self.beta = (
            constant(config.rcnn_target_means),
            constant(config.rcnn_target_stds),
            config.rcnn_smooth_l1_beta,
        )
        self.cls_weight, self.reg_weight = config.rcnn_loss_cls_weight, config.rcnn_loss_reg_weight
        width = config.rcnn_fc_out_channels
        channels = [config.rcnn_in_channels] + [config.rcnn_conv_out_channels] * config.rcnn_num_convs
        plain = config.rcnn_norm == "none"
        self.convs = nn.CellList(
            [Conv(a, b, 3, bias=plain, dtype=dtype) for a, b in zip(channels, channels[1:])]
        )
        self.norms = norm_list(config.rcnn_norm, channels[1:], config.norm_eps)
        inputs = [channels[-1] * config.roi_layer["out_size"] ** 2] + [width] * (config.rcnn_num_layers - 1)
        self.fc = nn.CellList([Dense(channels, width, dtype=dtype) for channels in inputs])
        self.cls = Dense(width, self.num_classes, init=0.01, dtype=dtype)
        self.reg = Dense(width, self.num_classes * 4, init=0.001, dtype=dtype)

    def construct(self, features):
        hidden = features
        for i in range(len(self.convs)):
            hidden = ops.relu(conv_norm_at(self.convs, self.norms, i, hidden))
        hidden = hidden.reshape(hidden.shape[0], -1)
        for layer in self.fc:
            hidden = ops.relu(layer(hidden))
        return self.cls(hidden).astype(ms.float32), self.reg(hidden).astype(ms.float32).reshape(
            -1, self.num_classes, 4
        )

    def losses(self, logits, deltas, rois, objects, classes, weight, normalize):
        """(class loss, box loss), both divided by the number of sampled RoIs.

        logits [R, C], deltas [R, C, 4], rois [R, 4], objects [R, 4] (matched boxes), classes int32 [R] (0 background), weight float32 [R].
        """
        count = normalize(weight.sum())
        cls_loss = (weight * cross_entropy(logits, classes)).sum() / count
        predicted = select_class(deltas, classes)
        targets = box_ops.encode(rois, objects, self.means, self.stds)
        positive = weight * (classes > 0).astype(ms.float32)
        reg_loss = (positive * smooth_l1(predicted - targets, self.beta).sum(-1)).sum() / count
        return self.cls_weight * cls_loss, self.reg_weight * reg_loss

    def boxes(self, rois, deltas):
        """Boxes [..., 4] of rois [..., 4] moved by their class's deltas [..., 4]."""
        return box_ops.decode(rois, deltas, self.means, self.stds)


def select_class(values, classes):
    """values [R, C, K] at classes int32 [R]: [R, K]."""
    rows = ops.arange(0, classes.shape[0]).astype(ms.int32)
    return ops.gather(values.reshape(-1, values.shape[-1]), rows * values.shape[1] + classes, 0)
