"""RoIAlign over a feature pyramid (He et al. 2017): every RoI is pooled once, from the level of its size.

There are two implementations with the same result: a compiled CPU kernel (`roi_align_kernel.py`), which reads
all levels in one call, and MindSpore's `ROIAlign`, for Ascend and exported files. For the operator the levels
are packed into one map, so that one call with static shapes pools all RoIs. Whether Ascend's operator widens
RoIs that are narrower or lower than one cell of their level is not known.
"""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import nn, ops

from .ops import boxes as box_ops
from .ops.padding import pad_zeros


class RoIAlign(nn.Cell):
    """Pool RoIs from the levels P2 to P5 to size x size cells.

    Args:
        size: Cells of a side.
        samples: Samples of a cell's side; 0, with the kernel only, is as many as a pooled cell is cells wide.
        strides: Of the four levels, in pixels.
        shapes: (height, width) of the four levels.
        finest_scale: RoIs of up to twice this side, in pixels, are pooled from P2.
        aligned: As in `PackedPool`.
        kernel: Whether the compiled CPU kernel is used.
    """

    def __init__(
        self,
        size: int,
        samples: int,
        strides: Sequence[int],
        shapes: Sequence[tuple[int, int]],
        finest_scale: float = 56,
        aligned: bool = True,
        kernel: bool = False,
    ):
        super().__init__()
        self.finest_scale = finest_scale
        if kernel:
            self.pool = KernelPool(size, samples, aligned, strides, shapes)
        else:
            self.pool = PackedPool(size, samples, aligned, strides)

    def construct(self, features, rois, roi_valid):
        """Pooled features of the RoIs.

        Args:
            features: (P2, P3, P4, P5), each [B, C, h, w].
            rois: float32 [B, S, 4] in canvas pixels.
            roi_valid: bool [B, S].

        Returns:
            float32 [B * S, C, size, size]; finite values without a meaning for RoIs that are not valid.
        """
        # The operator needs features and RoIs of one type. float16 would move a RoI by up to a quarter of a
        # cell.
        p2, p3, p4, p5 = [feature.astype(ms.float32) for feature in features]
        rois = ops.stop_gradient(rois)
        levels = ops.select(roi_valid, self.levels(rois), ops.full_like(roi_valid, -1, dtype=ms.int32))
        return self.pool(p2, p3, p4, p5, rois, levels)

    def levels(self, rois):
        """int32 [B, S], 0 for P2 to 3 for P5: floor(log2(sqrt(area) / finest_scale)), limited to the pyramid.

        It is equation 1 of the FPN paper.
        """
        side = ops.sqrt(ops.relu(box_ops.areas(rois))) + 1e-6
        level = ops.zeros_like(side)
        for power in (2.0, 4.0, 8.0):  # comparisons are exact, while a logarithm rounds
            level = level + (side >= self.finest_scale * power).astype(ms.float32)
        return level.astype(ms.int32)


class PackedPool(nn.Cell):
    """MindSpore's operator on one map that holds all levels: P2 above; P3, P4 and P5 side by side below it.

    Every level has a border of one cell that repeats its edge, because RoIAlign reads samples up to one cell
    outside a map.

    Two faults of MindSpore 2.8 are worked around. The operator's gradient has only roi_end_mode 1, in which a
    RoI ends one cell after its end coordinate, whatever the mode of the forward pass. So mode 1 is used, and
    ends are reduced by one. And on the CPU a RoI of zeros leaves its output unset, possibly NaN. So RoIs that
    are not valid lie inside the map.

    Args:
        size: Cells of a side.
        samples: Samples of a cell's side.
        aligned: Whether coordinates are moved by half a cell, as is right; or not, as in older networks.
        strides: Of the four levels.
    """

    def __init__(self, size, samples, aligned, strides):
        super().__init__()
        self.aligned = aligned
        self.shift = 0.5 if aligned else 0.0
        self.strides = strides
        self.operator = ops.ROIAlign(size, size, 1.0, samples, 1)

    def construct(self, p2, p3, p4, p5, rois, levels):
        packed, origins = self.pack((p2, p3, p4, p5))
        batch, count = levels.shape
        x = ops.zeros_like(rois[..., 0])
        y = ops.zeros_like(rois[..., 0])
        scale = ops.zeros_like(rois[..., 0])
        for i in range(4):
            on_level = (levels == i).astype(ms.float32)
            x = x + ops.mul(on_level, origins[i][1])
            y = y + ops.mul(on_level, origins[i][0])
            scale = scale + on_level / self.strides[i]
        scale = scale.expand_dims(-1)
        origin = ops.stack((x, y), -1)
        start = rois[..., :2] * scale - self.shift + origin
        end = rois[..., 2:] * scale - self.shift + origin
        if not self.aligned:  # the older convention pools at least one whole cell
            end = ops.maximum(end, start + 1.0)
        valid = (levels >= 0).astype(ms.float32).expand_dims(-1)
        inside = ops.mul(2, 1 - valid)
        start = start * valid + inside
        end = (end - 1.0) * valid + inside
        image = ops.arange(0, batch).astype(ms.float32).reshape(-1, 1, 1).tile((1, count, 1))
        return self.operator(packed, ops.concat((image, start, end), -1).reshape(-1, 5))

    def pack(self, features):
        """The packed map [B, C, H, W], and (y, x) of each level's first cell in it."""
        levels = [ops.concat((f[:, :, :1], f, f[:, :, -1:]), 2) for f in features]
        levels = [ops.concat((f[:, :, :, :1], f, f[:, :, :, -1:]), 3) for f in levels]
        below = [pad_zeros(f, 2, 0, levels[1].shape[2] - f.shape[2]) for f in levels[1:]]
        below = ops.concat(below, 3)
        width = max(levels[0].shape[3], below.shape[3])
        above = pad_zeros(levels[0], 3, 0, width - levels[0].shape[3])
        below = pad_zeros(below, 3, 0, width - below.shape[3])
        row = levels[0].shape[2] + 1
        column4 = levels[1].shape[3] + 1
        column5 = column4 + levels[2].shape[3]
        return ops.concat((above, below), 2), ((1, 1), (row, 1), (row, column4), (row, column5))


class KernelPool(nn.Cell):
    """The compiled CPU kernel, with its gradient for the features; RoIs have none.

    Args:
        size, samples, aligned, strides: As in `PackedPool`; `samples` 0 is as many as a pooled cell is cells
            wide.
        shapes: (height, width) of the four levels.
    """

    def __init__(self, size, samples, aligned, strides, shapes):
        super().__init__()
        from .cpu import roi_align_kernel  # here, as only the CPU needs Numba

        self.forward_operator = roi_align_kernel.forward_operator(size, samples, aligned, strides)
        self.backward_operator = roi_align_kernel.backward_operator(size, samples, aligned, strides, shapes)

    def construct(self, p2, p3, p4, p5, rois, levels):
        return self.forward_operator(p2, p3, p4, p5, rois, levels)

    def bprop(self, p2, p3, p4, p5, rois, levels, out, dout):
        d2, d3, d4, d5 = self.backward_operator(dout, rois, levels)
        return d2, d3, d4, d5, ops.zeros_like(rois), ops.zeros_like(levels)
