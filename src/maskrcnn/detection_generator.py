"""From class probabilities and box deltas to the final detections."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import nn, ops

from .ops import boxes as box_ops
from .ops.gather import gather_boxes
from .ops.nms import NMS
from .ops.padding import pad_zeros


class DetectionGenerator(nn.Cell):
    """Score threshold, NMS for each class, and the best detections of each image.

    Args:
        num_classes: With the background.
        canvas_size: (height, width) in pixels.
        score_threshold: Detections of this score or less are removed.
        nms_threshold: The IoU of the NMS.
        num_candidates: How many pairs of a proposal and a class enter the NMS, the best of an image.
        num_detections: How many detections of an image are returned, padded.
        min_size: Detections of less width or height, in pixels, are removed.
        kernel: Whether NMS uses the compiled CPU kernel.
        matrix: Whether NMS uses `MatrixNMS`.
    """

    def __init__(
        self,
        num_classes: int,
        canvas_size: tuple[int, int],
        score_threshold: float,
        nms_threshold: float,
        num_candidates: int,
        num_detections: int,
        min_size: float = 0.0,
        kernel: bool = False,
        matrix: bool = False,
    ):
        super().__init__()
        self.score_threshold = score_threshold
        self.min_size = min_size
        self.num_candidates = num_candidates
        self.num_detections = num_detections
        # For `separate_classes`: a square of canvases, and the step from one to the next in pixels.
        self.class_columns = math.ceil(math.sqrt(num_classes))
        height, width = canvas_size
        self.step_x = width + 1.0
        self.step_y = height + 1.0
        self.nms = NMS(nms_threshold, kernel, matrix)

    def construct(self, probabilities, deltas, proposals, proposal_valid, image_meta, box_head):
        """Detections of each image.

        Each pair of a proposal and a class is a candidate. Boxes are decoded for the best `num_candidates`
        of them.

        Args:
            probabilities: float32 [B, P, C]; class 0 is the background.
            deltas: float32 [B, P, C, 4].
            proposals: float32 [B, P, 4].
            proposal_valid: bool [B, P].
            image_meta: float32 [B, 6].
            box_head: The `BoxHead`, which decodes boxes.

        Returns:
            The best first, and zeros in slots without a detection:
            boxes: float32 [B, D, 4] in canvas pixels.
            scores: float32 [B, D].
            labels: int32 [B, D].
            det_valid: bool [B, D].
        """
        batch, num_proposals, num_classes = probabilities.shape
        scores = probabilities[:, :, 1:] * proposal_valid.astype(ms.float32).expand_dims(-1)
        num_candidates = min(self.num_candidates, num_proposals * (num_classes - 1))
        scores, pair_idxs = best_scores(scores.reshape(batch, -1), num_candidates)
        proposal_idxs = pair_idxs // (num_classes - 1)
        labels = pair_idxs - ops.mul(proposal_idxs, num_classes - 1) + 1
        boxes = box_head.decode(
            gather_boxes(proposals, proposal_idxs),
            gather_boxes(deltas.reshape(batch, -1, 4), ops.mul(proposal_idxs, num_classes) + labels),
        )
        boxes = box_ops.clip(boxes, image_meta)
        valid = ops.logical_and(scores > self.score_threshold, box_ops.is_large_enough(boxes, self.min_size))
        kept = ops.logical_and(self.nms(self.separate_classes(boxes, labels), valid, scores), valid)
        scores, best_idxs = best_scores(
            ops.select(kept, scores, ops.full_like(scores, -1.0)), min(self.num_detections, num_candidates)
        )
        boxes = gather_boxes(boxes, best_idxs)
        labels = ops.gather_elements(labels, 1, best_idxs)
        missing = self.num_detections - scores.shape[1]
        if missing > 0:
            scores = pad_zeros(scores, 1, 0, missing)
            labels = pad_zeros(labels, 1, 0, missing)
            boxes = pad_zeros(boxes, 1, 0, missing)
        det_valid = scores > 0
        return (
            boxes * det_valid.astype(ms.float32).expand_dims(-1),
            ops.relu(scores),
            labels * det_valid.astype(ms.int32),
            det_valid,
        )

    def separate_classes(self, boxes, labels):
        """Boxes [B, N, 4], those of each class moved to a canvas of its own.

        So one NMS does what one for each class would. The canvases form a square. In a row of 80 of them
        coordinates would be so large that float32 keeps only 1/64 pixel of them, which changed 1 in 70
        decisions near the IoU threshold for small boxes.
        """
        row = labels // self.class_columns
        column = labels - ops.mul(row, self.class_columns)
        x = ops.mul(column.astype(ms.float32), self.step_x)
        y = ops.mul(row.astype(ms.float32), self.step_y)
        return boxes + ops.stack((x, y, x, y), -1)


def best_scores(scores, count):
    """(the `count` best of scores float32 [B, N], the best first, float32 [B, count]; their indices, int32).

    Ascend 910 orders in float16, and gives the values back in it: they are taken from where they were.
    """
    idxs = ops.topk(scores, count)[1].astype(ms.int32)
    return ops.gather_elements(scores, 1, idxs), idxs
