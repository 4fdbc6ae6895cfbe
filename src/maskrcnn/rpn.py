"""Region proposal network (Ren et al. 2015): objectness and box deltas of every anchor, and two losses."""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops

from .layers import Conv
from .ops import boxes as box_ops
from .ops.gather import gather_boxes, gather_deltas, select_column
from .ops.losses import BoxLossSettings, sigmoid_cross_entropy, smooth_l1


class RPN(nn.Cell):
    """The RPN's head, which all levels share, and its losses.

    Args:
        in_channels: Channels of every level.
        channels: Channels of the 3x3 convolution.
        num_anchors: Anchors of a cell.
        feature_shapes: (height, width) of each level.
        loss_settings: Box deltas and losses.
        num_scores: Scores of an anchor: 1 with a sigmoid, 2 (background, object) with a softmax.
        head_weight: What both losses are multiplied by, besides their own weights.
        dtype: What convolutions compute in.
        kernels: Whether compiled CPU kernels may be used, for convolutions and for the losses
            (`rpn_window_kernel.py`).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_anchors: int,
        feature_shapes: Sequence[tuple[int, int]],
        loss_settings: BoxLossSettings,
        num_scores: int = 1,
        head_weight: float = 1.0,
        dtype: ms.Type = ms.float32,
        kernels: bool = False,
    ):
        super().__init__()
        self.num_cells = sum(height * width for height, width in feature_shapes)
        self.anchor_windows = None
        if kernels and dtype == ms.float32:
            from .cpu.rpn_window_kernel import AnchorWindows  # here, as only the CPU needs Numba

            self.anchor_windows = AnchorWindows(feature_shapes, num_anchors)
        self.num_anchors = num_anchors
        self.num_scores = num_scores
        self.means = Tensor(loss_settings.means, ms.float32)
        self.stds = Tensor(loss_settings.stds, ms.float32)
        self.beta = loss_settings.beta
        self.cls_weight = loss_settings.cls_weight
        self.reg_weight = loss_settings.reg_weight
        self.head_weight = head_weight
        self.matmul = ops.MatMul(transpose_b=True)
        self.conv = Conv(in_channels, channels, 3, init=0.01, dtype=dtype, cpu_kernel=kernels)
        self.cls = Conv(channels, num_anchors * num_scores, 1, init=0.01, dtype=dtype)
        self.reg = Conv(channels, num_anchors * 4, 1, init=0.01, dtype=dtype)
        for conv in (self.conv, self.cls, self.reg):
            conv.weight_type = ms.float32  # their gradients are summed over the levels
            conv.bias_type = ms.float32

    def construct(self, features):
        """Scores [B, A * num_scores, h, w] and deltas [B, 4A, h, w] of each level, float32."""
        scores = ()
        deltas = ()
        for feature in features:
            hidden = ops.relu(self.conv(feature))
            scores += (self.cls(hidden).astype(ms.float32),)
            deltas += (self.reg(hidden).astype(ms.float32),)
        return scores, deltas

    def flatten(self, scores, deltas):
        """A level's maps in the order of its anchors (y, x, anchor): logits [B, hwA] and deltas [B, hwA, 4].

        If there are two scores (background, object), the logit is their difference: a softmax of two.
        """
        batch, _, height, width = scores.shape
        scores = scores.reshape(batch, self.num_anchors, self.num_scores, height, width)
        scores = scores[:, :, 0] if self.num_scores == 1 else scores[:, :, 1] - scores[:, :, 0]
        logits = scores.transpose(0, 2, 3, 1).reshape(batch, -1)
        deltas = deltas.reshape(batch, self.num_anchors, 4, height, width)
        return logits, deltas.transpose(0, 3, 4, 1, 2).reshape(batch, -1, 4)

    def predict(self, features):
        """Logits [B, N] and deltas [B, N, 4] of all levels together, as `construct` and `flatten` give them.

        Scores and deltas of a level come from one convolution, and all levels are put in order together:
        fewer operators, which counts on Ascend.
        """
        weight = ops.concat((self.cls.own_weight(), self.reg.own_weight()))
        bias = ops.concat((self.cls.own_bias(), self.reg.own_bias()))
        batch = features[0].shape[0]
        rows = ()
        for feature in features:
            hidden = ops.relu(self.conv(feature))
            predicted = self.cls.convolve(hidden, weight, bias).transpose(0, 2, 3, 1)
            rows += (predicted.reshape(batch, -1, predicted.shape[-1]),)
        rows = ops.concat(rows, 1).astype(ms.float32)  # [B, all cells, A * num_scores + 4A]
        num_channels = self.num_anchors * self.num_scores
        scores = rows[:, :, :num_channels]
        if self.num_scores == 2:
            scores = scores.reshape(batch, -1, 2)
            scores = scores[:, :, 1] - scores[:, :, 0]
        deltas = rows[:, :, num_channels:].reshape(batch, -1, 4)
        return scores.reshape(batch, -1), deltas

    def should_predict_at_anchors(self, num_sampled):
        """Whether the losses use `predict_at_anchors`, for `num_sampled` sampled anchors of each image.

        A 3x3 window for each of them costs less than the gradients of the whole maps if they are fewer than
        the cells of the pyramid.
        """
        return self.anchor_windows is not None and num_sampled < self.num_cells

    def predict_at_anchors(self, features, sampled_idxs):
        """The head computed at the sampled anchors only, from their 3x3 windows of the features.

        Args:
            features: (P2, P3, P4, P5, P6).
            sampled_idxs: int32 [B, S].

        Returns:
            Logits float32 [B, S] and deltas float32 [B, S, 4].
        """
        batch, num_sampled = sampled_idxs.shape
        p2, p3, p4, p5, p6 = features
        windows = self.anchor_windows(p2, p3, p4, p5, p6, sampled_idxs).reshape(batch * num_sampled, -1)
        hidden = ops.relu(self.multiply(windows, self.conv))
        scores = self.multiply(hidden, self.cls)
        deltas = self.multiply(hidden, self.reg)
        anchor = (sampled_idxs.reshape(-1) % self.num_anchors).astype(ms.int32)
        scores = select_column(scores.reshape(batch * num_sampled, self.num_anchors, self.num_scores), anchor)
        logits = scores[:, 0] if self.num_scores == 1 else scores[:, 1] - scores[:, 0]
        deltas = select_column(deltas.reshape(batch * num_sampled, self.num_anchors, 4), anchor)
        return logits.reshape(batch, num_sampled), deltas.reshape(batch, num_sampled, 4)

    def multiply(self, rows, conv):
        """A convolution of windows [N, in * k * k] of its own size, as a matrix product: [N, out]."""
        weight = conv.own_weight()
        return self.matmul(rows, weight.reshape(weight.shape[0], -1)) + conv.own_bias()

    def gather_at_anchors(self, logits, deltas, sampled_idxs):
        """What `predict_at_anchors` returns, taken from logits [B, N] and deltas [B, N, 4] of all anchors."""
        return ops.gather_elements(logits, 1, sampled_idxs), gather_deltas(deltas, sampled_idxs)

    def losses(self, predicted, anchors, gt_boxes, samples, positive_slots, normalize):
        """The two losses over sampled anchors, both divided by the number of sampled anchors.

        Args:
            predicted: Logits [B, S] and deltas [B, S, 4] of the sampled anchors.
            anchors: float32 [N, 4].
            gt_boxes: float32 [B, G, 4].
            samples: What `AnchorSampler` returns.
            positive_slots: How many of the first slots are for positives, a Python number.
            normalize: A function of a count on this device, the divisor over all devices.

        Returns:
            (class loss, box loss), float32 scalars.
        """
        logits, deltas = predicted
        sampled_idxs, matched_idxs, is_positive, weight = samples
        num_sampled = normalize(weight.sum())
        cls_loss = (weight * sigmoid_cross_entropy(logits, is_positive)).sum() / num_sampled
        pos_anchors = ops.gather(anchors, sampled_idxs[:, :positive_slots], 0)
        matched_gt_boxes = gather_boxes(gt_boxes, matched_idxs[:, :positive_slots])
        targets = box_ops.encode(pos_anchors, matched_gt_boxes, self.means, self.stds)
        error = smooth_l1(deltas[:, :positive_slots] - targets, self.beta).sum(-1)
        reg_loss = (is_positive[:, :positive_slots] * error).sum() / num_sampled
        return self.head_weight * self.cls_weight * cls_loss, self.head_weight * self.reg_weight * reg_loss
