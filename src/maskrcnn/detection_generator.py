"""From class scores and box deltas to the final detections: score threshold, NMS a class at a time, the best of the picture."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import nn, ops

from .layers import pad_zeros
from .ops import boxes as box_ops
from .ops.nms import NMS


class DetectionGenerator(nn.Cell):
    def __init__(self, config, kernel=False):
        super().__init__()
        self.threshold, self.min_size = config.test_score_thr, config.test_min_bbox_size
        self.candidates, self.limit = config.test_nms_pre, config.test_max_per_img
        self.columns, self.width, self.height = (
            math.ceil(math.sqrt(config.num_classes)),
            config.img_width + 1.0,
            config.img_height + 1.0,
        )
        self.nms = NMS(config.test_iou_thr, kernel)

    def construct(self, probabilities, deltas, rois, valid, image_meta, box_head):
        """probabilities [B, P, C], deltas [B, P, C, 4], rois [B, P, 4], valid bool [B, P], image_meta [B, 6].

        Returns, best first and zeros where there are fewer, boxes float32 [B, D, 4] in canvas pixels, scores float32 [B, D], labels int32
        [B, D] and valid bool [B, D]. Each (RoI, class) pair is a candidate of its own; boxes are decoded for the best `test_nms_pre` of them.
        """
        batch, count, classes = probabilities.shape
        scores = probabilities[:, :, 1:] * valid.astype(ms.float32).expand_dims(-1)
        limit = min(self.candidates, count * (classes - 1))
        scores, pair = ops.topk(scores.reshape(batch, -1), limit)
        roi = (pair // (classes - 1)).astype(ms.int32)
        labels = (pair % (classes - 1)).astype(ms.int32) + 1
        wide = roi.expand_dims(-1).tile((1, 1, 4))
        flat = (roi * classes + labels).expand_dims(-1).tile((1, 1, 4))
        boxes = box_head.boxes(
            ops.gather_elements(rois, 1, wide), ops.gather_elements(deltas.reshape(batch, -1, 4), 1, flat)
        )
        boxes = box_ops.clip(boxes, image_meta)
        usable = ops.logical_and(scores > self.threshold, box_ops.at_least(boxes, self.min_size))
        # Each class is moved to a place of its own, so that one NMS does the work of one a class: a square of places, as float32 keeps
        # too little of a small box's sides at the end of a row of 80 (1/64 pixel, which turned 1 in 70 decisions near the threshold).
        x, y = (
            (labels % self.columns).astype(ms.float32) * self.width,
            (labels // self.columns).astype(ms.float32) * self.height,
        )
        moved = boxes + ops.stack((x, y, x, y), -1)
        kept = ops.logical_and(self.nms(moved, usable), usable)
        scores, index = ops.topk(
            ops.select(kept, scores, ops.full_like(scores, -1.0)), min(self.limit, limit)
        )
        boxes = ops.gather_elements(boxes, 1, index.expand_dims(-1).tile((1, 1, 4)))
        labels = ops.gather_elements(labels, 1, index)
        missing = self.limit - scores.shape[1]
        if missing > 0:
            scores, labels = pad_zeros(scores, 1, 0, missing), pad_zeros(labels, 1, 0, missing)
            boxes = pad_zeros(boxes, 1, 0, missing)
        found = scores > 0
        return (
            boxes * found.astype(ms.float32).expand_dims(-1),
            ops.relu(scores),
            labels * found.astype(ms.int32),
            found,
        )
