"""From the RPN's logits and deltas to proposals."""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops

from .ops import boxes as box_ops
from .ops.gather import gather_boxes
from .ops.nms import NMS
from .ops.padding import pad_zeros

_REMOVED = -65504.0  # the logit of a removed box, float16's least number: Ascend 910 orders in float16


class ProposalGenerator(nn.Cell):
    """For each level the best boxes, decoded, clipped, and NMS; then the best of all levels.

    Args:
        nms_pre: How many of a level's anchors enter the NMS, the best by logit.
        nms_post: How many boxes that NMS keeps are proposals.
        max_num: How many proposals of an image are returned, padded.
        nms_threshold: The IoU of the NMS.
        nms_across_levels: Whether one NMS compares the boxes of all levels; otherwise each level has its own.
        min_size: Proposals of less width or height, in pixels, are removed.
        means, stds: Four numbers each, those of the RPN's box deltas.
        kernel: Whether NMS uses the compiled CPU kernel.
        matrix: Whether NMS uses `MatrixNMS`.

    Attributes:
        split: The function that takes levels apart.
    """

    split = staticmethod(ops.split)

    def __init__(
        self,
        nms_pre: int,
        nms_post: int,
        max_num: int,
        nms_threshold: float,
        nms_across_levels: bool = False,
        min_size: float = 0.0,
        means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
        stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
        kernel: bool = False,
        matrix: bool = False,
    ):
        super().__init__()
        self.nms_pre = nms_pre
        self.nms_post = nms_post
        self.max_num = max_num
        self.min_size = min_size
        self.nms_across_levels = nms_across_levels
        self.nms = NMS(nms_threshold, kernel, matrix)
        self.means = Tensor(means, ms.float32)
        self.stds = Tensor(stds, ms.float32)

    def construct(self, logits, deltas, anchors, image_meta):
        """Proposals of each image.

        Args:
            logits: For each level float32 [B, N]; or one array of all levels, in a tuple.
            deltas: For each level float32 [B, N, 4]; or one array of all levels, in a tuple.
            anchors: For each level float32 [N, 4].
            image_meta: float32 [B, 6].

        Returns:
            proposals: float32 [B, max_num, 4], the best first; zeros in slots without a proposal.
            proposal_valid: bool [B, max_num].
        """
        if len(logits) < len(anchors):
            lengths = ()
            for level in anchors:
                lengths += (level.shape[0],)
            logits = self.split(logits[0], lengths, 1)
            deltas = self.split(deltas[0], lengths, 1)
        best_anchors = ()
        best_deltas = ()
        scores = ()
        counts = ()
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
            counts += (min(self.nms_pre, level_logits.shape[1]),)
            level_scores, idxs = ops.topk(level_logits, counts[-1])
            best_anchors += (ops.gather(level_anchors, idxs, 0),)
            best_deltas += (gather_boxes(level_deltas, idxs),)
            scores += (level_scores,)
        boxes = box_ops.decode(ops.concat(best_anchors, 1), ops.concat(best_deltas, 1), self.means, self.stds)
        boxes = box_ops.clip(boxes, image_meta)
        scores = ops.concat(scores, 1)
        scores = ops.select(
            box_ops.is_large_enough(boxes, self.min_size), scores, ops.full_like(scores, _REMOVED)
        )
        if not self.nms_across_levels:
            scores = self.suppress(boxes, scores, counts)
        count = scores.shape[1]
        scores, idxs = ops.topk(scores, count if self.nms_across_levels else min(self.max_num, count))
        boxes = gather_boxes(boxes, idxs)
        if self.nms_across_levels:
            scores, idxs = ops.topk(self.suppress(boxes, scores, (count,)), min(self.max_num, count))
            boxes = gather_boxes(boxes, idxs)
        missing = self.max_num - scores.shape[1]
        if missing > 0:  # a small canvas has fewer anchors than max_num
            scores = ops.concat((scores, ops.full((scores.shape[0], missing), _REMOVED, dtype=ms.float32)), 1)
            boxes = pad_zeros(boxes, 1, 0, missing)
        proposal_valid = scores > _REMOVED / 2
        return boxes * proposal_valid.astype(ms.float32).expand_dims(-1), proposal_valid

    def suppress(self, boxes, scores, counts):
        """Scores [B, N] with _REMOVED for all boxes but the best `nms_post` of each level that NMS keeps.

        Args:
            boxes: float32 [B, N, 4].
            scores: float32 [B, N], in descending order within a level, but for boxes that have been removed
                before.
            counts: How many of the boxes each level has, Python numbers.
        """
        valid = scores > _REMOVED / 2
        kept = ops.logical_and(self.nms(boxes, valid, scores, counts), valid)
        if max(counts) > self.nms_post:
            ranks = ()
            for level_kept in ops.split(kept.astype(ms.int32), counts, 1):
                ranks += (level_kept.cumsum(1),)
            kept = ops.logical_and(kept, ops.concat(ranks, 1) <= self.nms_post)
        return ops.select(kept, scores, ops.full_like(scores, _REMOVED))
