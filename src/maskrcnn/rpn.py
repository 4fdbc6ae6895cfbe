"""Region proposal network (Ren et al. 2015): objectness and box deltas at every anchor, and its two losses."""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .layers import Conv, constant
from .ops import boxes as box_ops
from .ops.losses import sigmoid_cross_entropy, smooth_l1
from .rcnn_cls import select_class


class RPN(nn.Cell):
    """The head that all levels share. `kernels`: the losses may use the compiled CPU kernel (`rpn_window_kernel.py`)."""

    def __init__(self, config, dtype=ms.float32, kernels=False):
        super().__init__()
        self.windows, self.places = None, sum(height * width for height, width in config.feature_shapes)
        if kernels and dtype == ms.float32:
            # Imported here: Numba is needed on the CPU only.
            from .cpu.rpn_window_kernel import AnchorWindows

            self.windows = AnchorWindows(config.feature_shapes, config.num_anchors)
        self.num_anchors, self.num_scores = config.num_anchors, config.rpn_cls_out_channels
        self.means, self.stds = constant(config.rpn_target_means), constant(config.rpn_target_stds)
        self.beta, self.cls_weight, self.reg_weight = (
            config.rpn_smooth_l1_beta,
            config.rpn_loss_cls_weight,
            config.rpn_loss_reg_weight,
        )
        self.head_weight = config.rpn_head_weight
        self.matmul = ops.MatMul(transpose_b=True)
        self.conv = Conv(
            config.rpn_in_channels, config.rpn_feat_channels, 3, init=0.01, dtype=dtype, cpu_kernel=kernels
        )
        self.cls = Conv(
            config.rpn_feat_channels, self.num_anchors * self.num_scores, 1, init=0.01, dtype=dtype
        )
        self.reg = Conv(config.rpn_feat_channels, self.num_anchors * 4, 1, init=0.01, dtype=dtype)

    def construct(self, features):
        """Objectness [B, A * scores, h, w] and deltas [B, 4A, h, w] of each level, as the convolutions give them."""
        scores, deltas = (), ()
        for feature in features:
            hidden = ops.relu(self.conv(feature))
            scores += (self.cls(hidden).astype(ms.float32),)
            deltas += (self.reg(hidden).astype(ms.float32),)
        return scores, deltas

    def flatten(self, scores, deltas):
        """One level's maps as objectness logits [B, hwA] and deltas [B, hwA, 4], in the anchors' order (y, x, anchor).

        With a softmax of two (background, object) the logit of 'object' is the difference of the two.
        """
        batch, _, height, width = scores.shape
        scores = scores.reshape(batch, self.num_anchors, self.num_scores, height, width)
        scores = scores[:, :, 0] if self.num_scores == 1 else scores[:, :, 1] - scores[:, :, 0]
        logits = scores.transpose(0, 2, 3, 1).reshape(batch, -1)
        deltas = (
            deltas.reshape(batch, self.num_anchors, 4, height, width)
            .transpose(0, 3, 4, 1, 2)
            .reshape(batch, -1, 4)
        )
        return logits, deltas

    def few(self, slots):
        """Whether so few anchors of a picture take part that the head is computed again at their windows, instead of differentiated everywhere."""
        return self.windows is not None and slots < self.places

    def at_anchors(self, features, index):
        """Objectness logits [B, S] and deltas [B, S, 4] of the anchors int32 [B, S] alone, from their 3x3 windows of the pyramid's five maps."""
        batch, slots = index.shape
        p2, p3, p4, p5, p6 = features
        windows = self.windows(p2, p3, p4, p5, p6, index).reshape(batch * slots, -1)
        hidden = ops.relu(
            self.matmul(windows, self.conv.weight.reshape(self.conv.weight.shape[0], -1)) + self.conv.bias
        )
        scores, deltas = (
            self.matmul(hidden, layer.weight.reshape(layer.weight.shape[0], -1)) + layer.bias
            for layer in (self.cls, self.reg)
        )
        anchor = (index.reshape(-1) % self.num_anchors).astype(ms.int32)
        scores = select_class(scores.reshape(batch * slots, self.num_anchors, self.num_scores), anchor)
        logits = scores[:, 0] if self.num_scores == 1 else scores[:, 1] - scores[:, 0]
        return logits.reshape(batch, slots), select_class(
            deltas.reshape(batch * slots, self.num_anchors, 4), anchor
        ).reshape(batch, slots, 4)

    def of_anchors(self, logits, deltas, index):
        """The same, picked from what the whole maps gave: logits [B, N], deltas [B, N, 4]."""
        return ops.gather_elements(logits, 1, index), ops.gather_elements(
            deltas, 1, index.expand_dims(-1).tile((1, 1, 4))
        )

    def losses(self, predicted, anchors, truth, samples, positive_slots, normalize):
        """(class loss, box loss) over sampled anchors, both divided by the number of samples.

        predicted: logits [B, S] and deltas [B, S, 4] of the sampled anchors; anchors [N, 4], truth [B, G, 4]; samples (index, matched,
        positive, weight) as `AnchorSampler` gives them, its first `positive_slots` slots for positives; `normalize` turns a count into the
        divisor over all devices.
        """
        index, matched, positive, weight = samples
        count = normalize(weight.sum())
        logits, deltas = predicted
        cls_loss = (weight * sigmoid_cross_entropy(logits, positive)).sum() / count
        index, matched, positive = (
            index[:, :positive_slots],
            matched[:, :positive_slots],
            positive[:, :positive_slots],
        )
        objects = ops.gather_elements(truth, 1, matched.expand_dims(-1).tile((1, 1, 4)))
        targets = box_ops.encode(ops.gather(anchors, index, 0), objects, self.means, self.stds)
        reg_loss = (
            positive * smooth_l1(deltas[:, :positive_slots] - targets, self.beta).sum(-1)
        ).sum() / count
        return self.head_weight * self.cls_weight * cls_loss, self.head_weight * self.reg_weight * reg_loss
