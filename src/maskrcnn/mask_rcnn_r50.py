"""Mask R-CNN with a ResNet FPN (He et al. 2017; Lin et al. 2017): the whole network, in training and in inference.

image uint8 [B, H, W, 3] -> normalise -> C2..C5 -> P2..P6 -> RPN -> proposals
  training:  -> assign, sample -> RoIAlign 7 -> class and box losses; positive RoIs -> RoIAlign 14 -> mask loss
  inference: -> RoIAlign 7 -> detections -> RoIAlign 14 -> masks
"""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .anchor_generator import pyramid_anchors
from .bbox_assign_sample import AnchorSampler
from .bbox_assign_sample_stage2 import RoISampler
from .detection_generator import DetectionGenerator
from .fpn_neck import FeaturePyramid
from .layers import constant
from .mask_target import mask_targets
from .ops.padding import real_rows
from .proposal_generator import ProposalGenerator
from .rcnn_cls import BoxHead
from .rcnn_mask import MaskHead
from .resnet50 import ResNet
from .roi_align import RoIAlign
from .rpn import RPN


class MaskRcnn(nn.Cell):
    """The network. `build.py` chooses the arguments from the configuration and the device.

    `norm_kind` and `freeze_at` as in `ResNet`; `dynamic`: leave padding out (CPU) instead of computing it (Ascend, exported files);
    `kernels`: compiled CPU kernels for RoIAlign, matching, NMS and gradients instead of MindSpore's operators; `dtype` is what
    convolutions and matrix products compute in, boxes and losses are float32.
    """

    def __init__(self, config, norm_kind, freeze_at=0, dynamic=True, kernels=True, dtype=ms.float32):
        super().__init__()
        self.dynamic, self.dtype = dynamic, dtype
        self.mean, self.std, self.is_bgr = (
            constant(config.img_mean),
            constant(config.img_std),
            config.channel_order == "BGR",
        )
        self.anchors = tuple(constant(anchors) for anchors in pyramid_anchors(config))
        self.backbone = ResNet(config, norm_kind, freeze_at, dtype, kernels)
        self.fpn = FeaturePyramid(config, dtype, kernels)
        self.rpn = RPN(config, dtype, kernels)
        self.box_head = BoxHead(config, dtype)
        self.mask_head = MaskHead(config, dtype, kernels)
        self.box_align = RoIAlign(config, config.roi_layer["out_size"], kernels)
        self.mask_align = RoIAlign(config, config.roi_layer["mask_out_size"], kernels)
        self.train_proposals, self.test_proposals = (
            ProposalGenerator(config, training, kernels) for training in (True, False)
        )
        self.anchor_sampler, self.roi_sampler = AnchorSampler(config, kernels), RoISampler(config, kernels)
        self.detections = DetectionGenerator(config, kernels)
        self.mask_size = config.mask_shape[0]
        self.num_mask_rois = config.num_mask_rois or config.num_expected_pos_stage2
        self.has_masks = config.rcnn_loss_mask_fb_weight > 0

    def features(self, image):
        """(P2, ..., P6) of image uint8 (or float32) RGB [B, H, W, 3]."""
        if self.is_bgr:
            image = ops.concat((image[..., 2:], image[..., 1:2], image[..., :1]), -1)
        image = (image.astype(ms.float32) - self.mean) / self.std
        return self.fpn(*self.backbone(image.transpose(0, 3, 1, 2)))

    def propose(self, features):
        """RPN outputs in the anchors' order: tuples, a level each, of logits [B, hwA] and deltas [B, hwA, 4]."""
        logits, deltas = (), ()
        for level_scores, level_deltas in zip(*self.rpn(features)):
            flat = self.rpn.flatten(level_scores, level_deltas)
            logits, deltas = logits + (flat[0],), deltas + (flat[1],)
        return logits, deltas

    def construct(self, image, image_meta):
        """Inference. Boxes float32 [B, D, 4] in canvas pixels, scores [B, D], labels int32 [B, D], valid bool [B, D], masks float32 [B, D, 28, 28].

        image uint8 [B, H, W, 3], image_meta float32 [B, 6]; D = test_max_per_img; masks are probabilities in the boxes' frames.
        """
        features = self.features(image)
        logits, deltas = self.propose(features)
        rois, valid = self.test_proposals(logits, deltas, self.anchors, image_meta)
        boxes, scores, labels, found = self.detect(features[:4], rois, valid, image_meta)
        return boxes, scores, labels, found, self.masks(features[:4], boxes, labels, found)

    def detect(self, features, rois, valid, image_meta):
        """Final boxes from proposals [B, P, 4]; see `DetectionGenerator`."""
        batch, count = valid.shape
        logits, deltas = self.box_head(self.box_align(features, rois, valid))
        probabilities = ops.softmax(logits, -1).reshape(batch, count, -1)
        return self.detections(
            probabilities, deltas.reshape(batch, count, -1, 4), rois, valid, image_meta, self.box_head
        )

    def masks(self, features, boxes, labels, found):
        """Mask probabilities [B, D, 28, 28] of final boxes [B, D, 4], zeros where not found."""
        (batch, count), size = found.shape, self.mask_size
        pooled, labels, chosen = (
            self.mask_align(features, boxes, found),
            labels.reshape(-1),
            found.reshape(-1),
        )
        if self.mask_head.logits_kernel is not None:  # which leaves padding out by itself
            logits = self.mask_head.logits_of(pooled, labels, chosen)
        elif self.dynamic:
            rows = real_rows(chosen)
            real = self.mask_head(ops.gather(pooled, rows, 0), ops.gather(labels, rows, 0))
            logits = ops.tensor_scatter_update(
                ops.zeros((batch * count, size, size), ms.float32), rows.expand_dims(-1), real
            )
        else:
            logits = self.mask_head(pooled, labels)
        return (ops.sigmoid(logits) * chosen.reshape(-1, 1, 1).astype(ms.float32)).reshape(
            batch, count, size, size
        )

    def losses(self, image, image_meta, key, truth, labels, valid, masks, normalize):
        """The five losses (rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask), float32 scalars, weighted as configured.

        image uint8 [B, H, W, 3], image_meta [B, 6], key int32 [B] (seeds the sampling), truth [B, G, 4], labels int32 [B, G], valid bool
        [B, G], masks uint8 [B, G, m, m]; `normalize` turns a count on this device into the divisor over all.
        """
        features = self.features(image)
        logits, deltas = self.propose(features)
        rois, usable = self.train_proposals(
            ops.stop_gradient(logits), ops.stop_gradient(deltas), self.anchors, image_meta
        )
        rpn_cls, rpn_reg = self.rpn_losses(features, logits, deltas, truth, valid, key, normalize)
        samples = self.roi_sampler(rois, usable, truth, labels, valid, key)
        rcnn_cls, rcnn_reg = self.box_losses(features[:4], samples, truth, normalize)
        if not self.has_masks:
            return rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, ops.zeros_like(rcnn_reg)
        slots = min(self.num_mask_rois, self.roi_sampler.positive_slots(rois.shape[1] + truth.shape[1]))
        return (
            rpn_cls,
            rpn_reg,
            rcnn_cls,
            rcnn_reg,
            self.mask_loss(features[:4], samples, slots, truth, masks, normalize),
        )

    def rpn_losses(self, features, logits, deltas, truth, valid, key, normalize):
        """(rpn_cls, rpn_reg) of the sampled anchors; logits and deltas as `propose` gives them for the features (P2, ..., P6)."""
        anchors = ops.concat(self.anchors, 0)
        samples = self.anchor_sampler(anchors, truth, valid, key)
        slots = self.anchor_sampler.positive_slots(anchors.shape[0])
        if self.rpn.few(samples[0].shape[1]):
            predicted = self.rpn.at_anchors(features, samples[0])
        else:
            predicted = self.rpn.of_anchors(ops.concat(logits, 1), ops.concat(deltas, 1), samples[0])
        return self.rpn.losses(predicted, anchors, truth, samples, slots, normalize)

    def box_losses(self, features, samples, truth, normalize):
        """(rcnn_cls, rcnn_reg) of sampled RoIs: (rois [B, S, 4], classes [B, S], objects [B, S], chosen [B, S]) as `RoISampler` gives them."""
        rois, classes, objects, chosen = samples
        pooled = self.box_align(features, rois, chosen)
        matched = ops.gather_elements(truth, 1, objects.expand_dims(-1).tile((1, 1, 4))).reshape(-1, 4)
        rois, classes, chosen = rois.reshape(-1, 4), classes.reshape(-1), chosen.reshape(-1)
        if self.dynamic:
            rows = real_rows(chosen)
            pooled, rois, matched = (
                ops.gather(pooled, rows, 0),
                ops.gather(rois, rows, 0),
                ops.gather(matched, rows, 0),
            )
            classes, chosen = ops.gather(classes, rows, 0), ops.gather(chosen, rows, 0)
        logits, deltas = self.box_head(pooled)
        return self.box_head.losses(
            logits, deltas, rois, matched, classes, chosen.astype(ms.float32), normalize
        )

    def mask_loss(self, features, samples, slots, truth, masks, normalize):
        """rcnn_mask of the positive RoIs in the first `slots` slots (their order is random); masks uint8 [B, G, m, m]."""
        rois, classes, objects = samples[0][:, :slots], samples[1][:, :slots], samples[2][:, :slots]
        chosen = ops.logical_and(samples[3][:, :slots], classes > 0)
        pooled = self.mask_align(features, rois, chosen)
        batch, count = truth.shape[0], truth.shape[1]
        picture = objects + ops.arange(0, batch).astype(ms.int32).expand_dims(-1) * count
        rois, classes, chosen, picture = (
            rois.reshape(-1, 4),
            classes.reshape(-1),
            chosen.reshape(-1),
            picture.reshape(-1),
        )
        if self.dynamic and self.mask_head.kernel is None:  # the kernel leaves padding out by itself
            rows = real_rows(chosen)
            pooled, rois, classes = (
                ops.gather(pooled, rows, 0),
                ops.gather(rois, rows, 0),
                ops.gather(classes, rows, 0),
            )
            chosen, picture = ops.gather(chosen, rows, 0), ops.gather(picture, rows, 0)
        targets = mask_targets(
            rois,
            ops.gather(truth.reshape(-1, 4), picture, 0),
            masks.reshape(-1, masks.shape[2], masks.shape[3]),
            picture,
            self.mask_size,
        )
        return self.mask_head.loss_of(pooled, classes, chosen, targets, normalize)
