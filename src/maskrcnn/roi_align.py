"""RoIAlign over a pyramid (He et al. 2017): every RoI is pooled once, from its own level.

Two ways with one answer: a compiled CPU kernel (`roi_align_kernel.py`) that reads all levels in one call, and MindSpore's own
`ROIAlign`, for Ascend and for exported files; the levels are packed into one map so that a single call with static shapes
serves all RoIs. Whether Ascend's operator widens RoIs narrower or lower than one cell of their level to one cell is not known.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import nn, ops

from .layers import pad_zeros
from .ops import boxes as box_ops


class RoIAlign(nn.Cell):
    """features (P2, P3, P4, P5), rois [B, S, 4] in canvas pixels, valid bool [B, S] -> float32 [B * S, C, size, size].

    What an invalid slot holds is finite and means nothing.
    """

    def __init__(self, config, size, kernel):
        super().__init__()
        self.strides, self.finest = config.roi_align_featmap_strides, config.roi_align_finest_scale
        setting = (size, config.roi_layer["sample_num"], config.roi_align_aligned, self.strides)
        self.pool = KernelPool(*setting, config.feature_shapes[:4]) if kernel else PackedPool(*setting)

    def construct(self, features, rois, valid):
        # The operator takes features and RoIs of one type, and half precision would place a RoI by quarters of a cell.
        p2, p3, p4, p5 = [feature.astype(ms.float32) for feature in features]
        rois = ops.stop_gradient(rois)
        return self.pool(
            p2,
            p3,
            p4,
            p5,
            rois,
            ops.select(valid, self.levels(rois), ops.full_like(valid, -1, dtype=ms.int32)),
        )

    def levels(self, rois):
        """int32 [B, S], 0 for P2 to 3 for P5: floor(log2(sqrt(area) / finest)) as in FPN's equation 1, limited to the pyramid."""
        side = ops.sqrt(ops.relu(box_ops.areas(rois))) + 1e-6
        level = ops.zeros_like(side)
        for power in (2.0, 4.0, 8.0):  # comparisons: exact where a logarithm rounds
            level = level + (side >= self.finest * power).astype(ms.float32)
        return level.astype(ms.int32)


class PackedPool(nn.Cell):
    """MindSpore's operator on one map that holds all levels: P2 above, P3, P4 and P5 side by side below it.

    Every level has a border of one cell that repeats its edge, which is how RoIAlign reads samples up to one cell outside a map.
    The operator's gradient knows roi_end_mode 1 only, which takes a RoI to end one cell after its end coordinate, whatever mode the
    forward pass has (MindSpore 2.8): so mode 1 it is, and ends are given less one. On the CPU a RoI of zeros leaves its output unwritten,
    which can be NaN: empty slots lie in the middle of the map instead.
    """

    def __init__(self, size, samples, aligned, strides):
        super().__init__()
        self.aligned, self.shift = aligned, 0.5 if aligned else 0.0
        self.strides = strides
        self.operator = ops.ROIAlign(size, size, 1.0, samples, 1)

    def construct(self, p2, p3, p4, p5, rois, levels):
        packed, origins = self.pack((p2, p3, p4, p5))
        batch, count = levels.shape
        x, y, scale = ops.zeros_like(rois[..., 0]), ops.zeros_like(rois[..., 0]), ops.zeros_like(rois[..., 0])
        for i in range(4):
            here = (levels == i).astype(ms.float32)
            x, y, scale = x + here * origins[i][1], y + here * origins[i][0], scale + here / self.strides[i]
        scale, origin = scale.expand_dims(-1), ops.stack((x, y), -1)
        start, end = rois[..., :2] * scale - self.shift + origin, rois[..., 2:] * scale - self.shift + origin
        if not self.aligned:  # the older convention pools at least one whole cell
            end = ops.maximum(end, start + 1.0)
        used = (levels >= 0).astype(ms.float32).expand_dims(-1)
        start, end = start * used + 2 * (1 - used), (end - 1.0) * used + 2 * (1 - used)
        picture = ops.arange(0, batch).astype(ms.float32).reshape(-1, 1, 1).tile((1, count, 1))
        return self.operator(packed, ops.concat((picture, start, end), -1).reshape(-1, 5))

    def pack(self, features):
        """([B, C, H, W], ((y, x) of each level's first cell))."""
        framed = [ops.concat((f[:, :, :1], f, f[:, :, -1:]), 2) for f in features]
        framed = [ops.concat((f[:, :, :, :1], f, f[:, :, :, -1:]), 3) for f in framed]
        below = [pad_zeros(f, 2, 0, framed[1].shape[2] - f.shape[2]) for f in framed[1:]]
        below = ops.concat(below, 3)
        width = max(framed[0].shape[3], below.shape[3])
        top = pad_zeros(framed[0], 3, 0, width - framed[0].shape[3])
        below = pad_zeros(below, 3, 0, width - below.shape[3])
        row = framed[0].shape[2] + 1
        third = framed[1].shape[3]
        return ops.concat((top, below), 2), (
            (1, 1),
            (row, 1),
            (row, third + 1),
            (row, third + framed[2].shape[3] + 1),
        )


class KernelPool(nn.Cell):
    """The compiled CPU kernel, with its own gradient (for the features; RoIs have none)."""

    def __init__(self, size, samples, aligned, strides, shapes):
        super().__init__()
        # Imported here: Numba is needed on the CPU only.
        from .cpu.roi_align_kernel import backward_operator, forward_operator

        self.forward_operator = forward_operator(size, samples, aligned, strides)
        self.backward_operator = backward_operator(size, samples, aligned, strides, shapes)

    def construct(self, p2, p3, p4, p5, rois, levels):
        return self.forward_operator(p2, p3, p4, p5, rois, levels)

    def bprop(self, p2, p3, p4, p5, rois, levels, out, dout):
        d2, d3, d4, d5 = self.backward_operator(dout, rois, levels)
        return d2, d3, d4, d5, ops.zeros_like(rois), ops.zeros_like(levels)
