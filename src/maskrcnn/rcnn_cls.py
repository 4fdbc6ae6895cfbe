"""The box head (Girshick 2015): class logits, box deltas for each class, and their two losses."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from .layers import Conv, Dense
from .norms import PADDED_CHANNELS, conv_norm_at, norm_list
from .ops import boxes as box_ops
from .ops.gather import select_column
from .ops.losses import BoxLossSettings, cross_entropy, smooth_l1


class BoxHead(nn.Cell):
    """RoI features [R, C, 7, 7] -> class logits [R, num_classes] and box deltas [R, num_classes, 4], float32.

    Args:
        in_channels: Channels of the RoI features.
        roi_size: Cells of their side.
        num_classes: With the background.
        loss_settings: Box deltas and losses.
        fc_channels: Channels of the fully connected layers.
        num_fcs: How many of them there are.
        num_convs: How many 3x3 convolutions come before them (Wu & He 2018: the head '4conv1fc').
        conv_channels: Channels of these convolutions.
        norm: Their norm: 'none', 'bn', 'sync_bn' or 'gn'.
        norm_eps: Added to the norms' variance.
        dtype: What convolutions and matrix products compute in.
        kernels: Whether compiled CPU kernels may be used.

    Attributes:
        is_padded: Whether empty slots are computed too. Then shapes are static, as the kernel of group norm
            needs them. A batch norm must not see them.
    """

    def __init__(
        self,
        in_channels: int,
        roi_size: int,
        num_classes: int,
        loss_settings: BoxLossSettings,
        fc_channels: int = 1024,
        num_fcs: int = 2,
        num_convs: int = 0,
        conv_channels: int = 256,
        norm: str = "gn",
        norm_eps: float = 1e-5,
        dtype: ms.Type = ms.float32,
        kernels: bool = False,
    ):
        super().__init__()
        norm_kernels = kernels and dtype == ms.float32
        self.is_padded = norm_kernels and norm == "gn" and num_convs > 0 and conv_channels <= PADDED_CHANNELS
        self.num_classes = num_classes
        self.means = Tensor(loss_settings.means, ms.float32)
        self.stds = Tensor(loss_settings.stds, ms.float32)
        self.beta = loss_settings.beta
        self.cls_weight = loss_settings.cls_weight
        self.reg_weight = loss_settings.reg_weight
        channels = [in_channels] + [conv_channels] * num_convs
        has_bias = norm == "none"
        self.convs = nn.CellList(
            [
                Conv(before, after, 3, bias=has_bias, dtype=dtype)
                for before, after in zip(channels, channels[1:])
            ]
        )
        self.norms = norm_list(norm, channels[1:], norm_eps, norm_kernels)
        inputs = [channels[-1] * roi_size**2] + [fc_channels] * (num_fcs - 1)
        self.fc = nn.CellList([Dense(count, fc_channels, dtype=dtype) for count in inputs])
        self.cls = Dense(fc_channels, num_classes, init=0.01, dtype=dtype)
        self.reg = Dense(fc_channels, num_classes * 4, init=0.001, dtype=dtype)

    def construct(self, features):
        hidden = features
        for i in range(len(self.convs)):
            hidden = ops.relu(conv_norm_at(self.convs, self.norms, i, hidden))
        hidden = hidden.reshape(hidden.shape[0], -1)
        for layer in self.fc:
            hidden = ops.relu(layer(hidden))
        logits = self.cls(hidden).astype(ms.float32)
        deltas = self.reg(hidden).astype(ms.float32).reshape(-1, self.num_classes, 4)
        return logits, deltas

    def losses(self, logits, deltas, rois, matched_gt_boxes, classes, weight, normalize):
        """The two losses, both divided by the number of sampled RoIs.

        Args:
            logits: float32 [R, C].
            deltas: float32 [R, C, 4].
            rois: float32 [R, 4].
            matched_gt_boxes: float32 [R, 4].
            classes: int32 [R], 0 for the background.
            weight: float32 [R], 1 for a sampled RoI, 0 for an empty slot.
            normalize: A function of a count on this device, the divisor over all devices.

        Returns:
            (class loss, box loss), float32 scalars.
        """
        num_sampled = normalize(weight.sum())
        cls_loss = (weight * cross_entropy(logits, classes)).sum() / num_sampled
        predicted = select_column(deltas, classes)
        targets = box_ops.encode(rois, matched_gt_boxes, self.means, self.stds)
        positive = weight * (classes > 0).astype(ms.float32)
        reg_loss = (positive * smooth_l1(predicted - targets, self.beta).sum(-1)).sum() / num_sampled
        return self.cls_weight * cls_loss, self.reg_weight * reg_loss

    def decode(self, rois, deltas):
        """rois [..., 4] moved by the deltas [..., 4] of their class."""
        return box_ops.decode(rois, deltas, self.means, self.stds)
