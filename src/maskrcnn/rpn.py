"""Region proposal network (Ren et al. 2015): objectness and box deltas at every anchor, and its two losses."""
from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from src.maskrcnn import boxes as box_ops
from src.maskrcnn.layers import Conv, constant
from src.maskrcnn.losses import sigmoid_cross_entropy, smooth_l1


class RPN(nn.Cell):
    """The head that all levels share."""

    def __init__(self, config, dtype=ms.float32):
        super().__init__()
        self.num_anchors, self.num_scores = config.num_anchors, config.rpn_cls_out_channels
        self.means, self.stds = constant(config.rpn_target_means), constant(config.rpn_target_stds)
        self.beta, self.cls_weight, self.reg_weight = config.rpn_smooth_l1_beta, config.rpn_loss_cls_weight, config.rpn_loss_reg_weight
        self.head_weight = config.rpn_head_weight
        self.conv = Conv(config.rpn_in_channels, config.rpn_feat_channels, 3, init=0.01, dtype=dtype)
        self.cls = Conv(config.rpn_feat_channels, self.num_anchors * self.num_scores, 1, init=0.01, dtype=dtype)
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
        deltas = deltas.reshape(batch, self.num_anchors, 4, height, width).transpose(0, 3, 4, 1, 2).reshape(batch, -1, 4)
        return logits, deltas

    def losses(self, logits, deltas, anchors, truth, samples, positive_slots, normalize):
        """(class loss, box loss) over sampled anchors, both divided by the number of samples.

        logits [B, N], deltas [B, N, 4], anchors [N, 4], truth [B, G, 4]; samples (index, matched, positive, weight) as `AnchorSampler`
        gives them, its first `positive_slots` slots for positives; `normalize` turns a count into the divisor over all devices.
        """
        index, matched, positive, weight = samples
        count = normalize(weight.sum())
        picked = ops.gather_elements(logits, 1, index)
        cls_loss = (weight * sigmoid_cross_entropy(picked, positive)).sum() / count
        index, matched, positive = index[:, :positive_slots], matched[:, :positive_slots], positive[:, :positive_slots]
        objects = ops.gather_elements(truth, 1, matched.expand_dims(-1).tile((1, 1, 4)))
        targets = box_ops.encode(ops.gather(anchors, index, 0), objects, self.means, self.stds)
        predicted = ops.gather_elements(deltas, 1, index.expand_dims(-1).tile((1, 1, 4)))
        reg_loss = (positive * smooth_l1(predicted - targets, self.beta).sum(-1)).sum() / count
        return self.head_weight * self.cls_weight * cls_loss, self.head_weight * self.reg_weight * reg_loss
