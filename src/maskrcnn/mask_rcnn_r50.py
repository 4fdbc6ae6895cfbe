"""Mask R-CNN with a ResNet FPN (He et al. 2017; Lin et al. 2017): the whole network.

image uint8 [B, H, W, 3] -> normalise -> C2..C5 -> P2..P6 -> RPN -> proposals, and then
  in training:  match and sample RoIs -> RoIAlign 7 -> box head -> class and box losses
                the positive RoIs     -> RoIAlign 14 -> mask head -> mask loss
  in inference: the proposals -> RoIAlign 7 -> box head -> detections -> RoIAlign 14 -> mask head -> masks
"""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from .bbox_assign_sample import AnchorSampler
from .bbox_assign_sample_stage2 import RoISampler
from .detection_generator import DetectionGenerator
from .fpn_neck import FeaturePyramid
from .ops.gather import gather_boxes
from .ops.mask_targets import mask_targets
from .ops.padding import take_rows, valid_rows
from .proposal_generator import ProposalGenerator
from .rcnn_cls import BoxHead
from .rcnn_mask import MaskHead
from .resnet50 import ResNet
from .roi_align import RoIAlign
from .rpn import RPN


class MaskRcnn(nn.Cell):
    """The network, put together from its parts; `from_config.py` makes them.

    Args:
        backbone, fpn, rpn, box_head, mask_head: The parts with weights.
        box_align, mask_align: Pool RoIs for the two heads.
        train_proposals, test_proposals: Make proposals in training and in inference.
        anchor_sampler, roi_sampler: Choose what a step learns from.
        detections: Makes the final detections.
        anchors: For each level float32 [N, 4], from `pyramid_anchors`.
        pixel_mean, pixel_std: Of each channel, in `channel_order`.
        channel_order: 'RGB' or 'BGR', in which the backbone takes a picture's channels.
        mask_size: The side of a mask, in pixels: twice that of `mask_align`.
        num_mask_rois: How many positive RoIs of an image the mask head learns from at most.
        dynamic: Whether padding is left out (CPU) instead of computed (Ascend, exported files).
        dtype: What the parts' convolutions and matrix products compute in. Boxes and losses are float32.
    """

    def __init__(
        self,
        backbone: ResNet,
        fpn: FeaturePyramid,
        rpn: RPN,
        box_head: BoxHead,
        mask_head: MaskHead,
        box_align: RoIAlign,
        mask_align: RoIAlign,
        train_proposals: ProposalGenerator,
        test_proposals: ProposalGenerator,
        anchor_sampler: AnchorSampler,
        roi_sampler: RoISampler,
        detections: DetectionGenerator,
        anchors: Sequence[np.ndarray],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        channel_order: str,
        mask_size: int,
        num_mask_rois: int,
        dynamic: bool = True,
        dtype: ms.Type = ms.float32,
    ):
        super().__init__()
        self.dynamic = dynamic
        self.dtype = dtype
        self.mean = Tensor(pixel_mean, ms.float32)
        self.std = Tensor(pixel_std, ms.float32)
        self.is_bgr = channel_order == "BGR"
        self.anchors = tuple(Tensor(level, ms.float32) for level in anchors)
        self.backbone = backbone
        self.fpn = fpn
        self.rpn = rpn
        self.box_head = box_head
        self.mask_head = mask_head
        self.box_align = box_align
        self.mask_align = mask_align
        self.train_proposals = train_proposals
        self.test_proposals = test_proposals
        self.anchor_sampler = anchor_sampler
        self.roi_sampler = roi_sampler
        self.detections = detections
        self.mask_size = mask_size
        self.num_mask_rois = num_mask_rois
        self.has_masks = mask_head.loss_weight > 0

    def construct(self, image, image_meta):
        """Inference.

        Args:
            image: uint8 [B, H, W, 3], RGB.
            image_meta: float32 [B, 6].

        Returns:
            With D the `num_detections` of `DetectionGenerator`, the best first, and zeros in slots without a
            detection:
            boxes: float32 [B, D, 4] in canvas pixels.
            scores: float32 [B, D].
            labels: int32 [B, D].
            det_valid: bool [B, D].
            masks: float32 [B, D, 28, 28], probabilities on a grid over each box.
        """
        features = self.features(image)
        logits, deltas = self.predict_anchors(features)
        proposals, proposal_valid = self.test_proposals(logits, deltas, self.anchors, image_meta)
        maps = self.box_align.prepare(features[:4])
        boxes, scores, labels, det_valid = self.detect(maps, proposals, proposal_valid, image_meta)
        masks = self.predict_masks(maps, boxes, labels, det_valid)
        return boxes, scores, labels, det_valid, masks

    def losses(self, image, image_meta, key, gt_boxes, gt_labels, gt_valid, gt_masks, normalize):
        """The five losses of a training batch, multiplied by their configured weights.

        Args:
            image: uint8 [B, H, W, 3], RGB.
            image_meta: float32 [B, 6].
            key: int32 [B], from which the sampling follows.
            gt_boxes: float32 [B, G, 4].
            gt_labels: int32 [B, G].
            gt_valid: bool [B, G].
            gt_masks: uint8 [B, G, m, m].
            normalize: A function of a count on this device, the divisor over all devices.

        Returns:
            (rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask), float32 scalars.
        """
        features = self.features(image)
        logits, deltas = self.predict_anchors(features)
        proposals, proposal_valid = self.train_proposals(
            ops.stop_gradient(logits), ops.stop_gradient(deltas), self.anchors, image_meta
        )
        rpn_cls, rpn_reg = self.rpn_losses(features, logits, deltas, gt_boxes, gt_valid, key, normalize)
        sampled_rois = self.roi_sampler(proposals, proposal_valid, gt_boxes, gt_labels, gt_valid, key)
        maps = self.box_align.prepare(features[:4])
        rcnn_cls, rcnn_reg = self.box_losses(maps, sampled_rois, gt_boxes, normalize)
        if self.has_masks:
            num_rois = proposals.shape[1] + gt_boxes.shape[1]
            slots = min(self.num_mask_rois, self.roi_sampler.positive_slots(num_rois))
            rcnn_mask = self.mask_loss(maps, first_slots(sampled_rois, slots), gt_boxes, gt_masks, normalize)
        else:
            rcnn_mask = ops.zeros_like(rcnn_reg)
        return rpn_cls, rpn_reg, rcnn_cls, rcnn_reg, rcnn_mask

    def features(self, image):
        """(P2, ..., P6) of image uint8 (or float32) [B, H, W, 3], RGB."""
        if self.is_bgr:
            image = ops.concat((image[..., 2:], image[..., 1:2], image[..., :1]), -1)
        image = (image.astype(ms.float32) - self.mean) / self.std
        return self.fpn(*self.backbone(image.transpose(0, 3, 1, 2)))

    def predict_anchors(self, features):
        """Logits [B, hwA] and deltas [B, hwA, 4] of each level, in the order of the anchors.

        With static shapes it is one pair of arrays for all levels together.
        """
        if not self.dynamic:
            all_logits, all_deltas = self.rpn.predict(features)
            return (all_logits,), (all_deltas,)
        logits = ()
        deltas = ()
        for level_scores, level_deltas in zip(*self.rpn(features)):
            flat_logits, flat_deltas = self.rpn.flatten(level_scores, level_deltas)
            logits += (flat_logits,)
            deltas += (flat_deltas,)
        return logits, deltas

    def detect(self, features, proposals, proposal_valid, image_meta):
        """Boxes, scores, labels and det_valid of the final detections; see `DetectionGenerator`.

        Args:
            features: (P2, P3, P4, P5), or what `RoIAlign.prepare` returns for them.
            proposals: float32 [B, P, 4].
            proposal_valid: bool [B, P].
            image_meta: float32 [B, 6].
        """
        batch, count = proposal_valid.shape
        logits, deltas = self.box_head(self.box_align(features, proposals, proposal_valid))
        probabilities = ops.softmax(logits, -1).reshape(batch, count, -1)
        deltas = deltas.reshape(batch, count, -1, 4)
        return self.detections(probabilities, deltas, proposals, proposal_valid, image_meta, self.box_head)

    def predict_masks(self, features, boxes, labels, det_valid):
        """Mask probabilities [B, D, 28, 28] of boxes [B, D, 4], zeros in slots that are not valid."""
        batch, count = det_valid.shape
        size = self.mask_size
        pooled = self.mask_align(features, boxes, det_valid)
        labels = labels.reshape(-1)
        det_valid = det_valid.reshape(-1)
        if self.mask_head.logits_kernel is not None:  # the kernel leaves padding out itself
            logits = self.mask_head.valid_logits(pooled, labels, det_valid)
        elif self.dynamic:
            rows = valid_rows(det_valid)
            logits = ops.tensor_scatter_update(
                ops.zeros((batch * count, size, size), ms.float32),
                rows.expand_dims(-1),
                self.mask_head(*take_rows(rows, (pooled, labels))),
            )
        else:
            logits = self.mask_head(pooled, labels)
        masks = ops.sigmoid(logits) * det_valid.reshape(-1, 1, 1).astype(ms.float32)
        return masks.reshape(batch, count, size, size)

    def rpn_losses(self, features, logits, deltas, gt_boxes, gt_valid, key, normalize):
        """(rpn_cls, rpn_reg) of the sampled anchors.

        Args:
            features: (P2, ..., P6).
            logits, deltas: What `predict_anchors` returns for the features.
            gt_boxes, gt_valid, key, normalize: As in `losses`.
        """
        anchors = ops.concat(self.anchors, 0)
        samples = self.anchor_sampler(anchors, gt_boxes, gt_valid, key)
        sampled_idxs, _, _, _ = samples
        if self.rpn.should_predict_at_anchors(sampled_idxs.shape[1]):
            predicted = self.rpn.predict_at_anchors(features, sampled_idxs)
        else:
            if len(logits) > 1:
                logits = (ops.concat(logits, 1),)
                deltas = (ops.concat(deltas, 1),)
            predicted = self.rpn.gather_at_anchors(logits[0], deltas[0], sampled_idxs)
        positive_slots = self.anchor_sampler.positive_slots(anchors.shape[0])
        return self.rpn.losses(predicted, anchors, gt_boxes, samples, positive_slots, normalize)

    def box_losses(self, features, sampled_rois, gt_boxes, normalize):
        """(rcnn_cls, rcnn_reg) of the sampled RoIs.

        Args:
            features: (P2, P3, P4, P5), or what `RoIAlign.prepare` returns for them.
            sampled_rois: (rois, classes, matched_idxs, roi_valid), as `RoISampler` returns them.
            gt_boxes, normalize: As in `losses`.
        """
        rois, classes, matched_idxs, roi_valid = sampled_rois
        pooled = self.box_align(features, rois, roi_valid)
        matched_gt_boxes = gather_boxes(gt_boxes, matched_idxs).reshape(-1, 4)
        rois = rois.reshape(-1, 4)
        classes = classes.reshape(-1)
        roi_valid = roi_valid.reshape(-1)
        if self.dynamic and not self.box_head.is_padded:
            pooled, rois, matched_gt_boxes, classes, roi_valid = take_rows(
                valid_rows(roi_valid), (pooled, rois, matched_gt_boxes, classes, roi_valid)
            )
        logits, deltas = self.box_head(pooled)
        weight = roi_valid.astype(ms.float32)
        return self.box_head.losses(logits, deltas, rois, matched_gt_boxes, classes, weight, normalize)

    def mask_loss(self, features, sampled_rois, gt_boxes, gt_masks, normalize):
        """rcnn_mask of the positive RoIs among `sampled_rois`.

        Args:
            features: (P2, P3, P4, P5), or what `RoIAlign.prepare` returns for them.
            sampled_rois: The slots for positives of what `RoISampler` returns. Their order is random.
            gt_boxes, gt_masks, normalize: As in `losses`.
        """
        rois, classes, matched_idxs, roi_valid = sampled_rois
        roi_valid = ops.logical_and(roi_valid, classes > 0)
        pooled = self.mask_align(features, rois, roi_valid)
        batch, num_gt, _ = gt_boxes.shape
        gt_index = matched_idxs + ops.arange(0, batch).astype(ms.int32).expand_dims(-1) * num_gt
        rois = rois.reshape(-1, 4)
        classes = classes.reshape(-1)
        roi_valid = roi_valid.reshape(-1)
        gt_index = gt_index.reshape(-1)
        # The loss's kernel leaves padding out itself.
        if self.dynamic and self.mask_head.loss_kernel is None and not self.mask_head.is_padded:
            pooled, rois, classes, roi_valid, gt_index = take_rows(
                valid_rows(roi_valid), (pooled, rois, classes, roi_valid, gt_index)
            )
        matched_gt_boxes = ops.gather(gt_boxes.reshape(-1, 4), gt_index, 0)
        gt_masks = gt_masks.reshape(-1, gt_masks.shape[2], gt_masks.shape[3])
        targets = mask_targets(rois, matched_gt_boxes, gt_masks, gt_index, self.mask_size)
        return self.mask_head.loss(pooled, classes, roi_valid, targets, normalize)


def first_slots(arrays, slots):
    """The first `slots` slots of each of the arrays [B, S, ...]."""
    sliced = ()
    for array in arrays:
        sliced += (array[:, :slots],)
    return sliced
