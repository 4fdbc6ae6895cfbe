"""RoIAlign over a feature pyramid (He et al. 2017): every RoI is pooled once, from the level of its size.

There are two implementations with the same result: a compiled CPU kernel (`roi_align_kernel.py`), which reads
all levels in one call, and MindSpore's `ROIAlign`, for Ascend and exported files. For the operator the levels
are packed into one map, so that one call with static shapes pools all RoIs. Whether Ascend's operator widens
RoIs that are narrower or lower than one cell of their level is not known.
"""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops

from .ops import boxes as box_ops
from .ops.padding import zeros_along


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
        self.larger_scales = Tensor([finest_scale * power for power in (2.0, 4.0, 8.0)], ms.float32)
        self.reduce_sum = ops.ReduceSum()  # `Tensor.sum` is the operator SumExt, which no AIR file can hold
        self.packs = not kernel
        if kernel:
            self.pool = KernelPool(size, samples, aligned, strides, shapes)
        else:
            self.pool = PackedPool(size, samples, aligned, strides)

    def construct(self, features, rois, roi_valid):
        """Pooled features of the RoIs.

        Args:
            features: (P2, P3, P4, P5), each [B, C, h, w]; or what `prepare` returns for them.
            rois: float32 [B, S, 4] in canvas pixels.
            roi_valid: bool [B, S].

        Returns:
            float32 [B * S, C, size, size]; finite values without a meaning for RoIs that are not valid.
        """
        maps = self.prepare(features) if len(features) == 4 else features
        rois = ops.stop_gradient(rois)
        levels = ops.select(roi_valid, self.levels(rois), ops.full_like(roi_valid, -1, dtype=ms.int32))
        if self.packs:
            return self.pool.pool_packed(maps, rois, levels)
        p2, p3, p4, p5 = maps
        return self.pool(p2, p3, p4, p5, rois, levels)

    def prepare(self, features):
        """What is pooled from, given (P2, P3, P4, P5): cells that pool from the same maps can share it."""
        # The operator needs features and RoIs of one type. float16 would move a RoI by up to a quarter of a
        # cell.
        p2, p3, p4, p5 = [feature.astype(ms.float32) for feature in features]
        return self.pool.pack((p2, p3, p4, p5)) if self.packs else (p2, p3, p4, p5)

    def levels(self, rois):
        """int32 [B, S], 0 for P2 to 3 for P5: floor(log2(sqrt(area) / finest_scale)), limited to the pyramid.

        It is equation 1 of the FPN paper.
        """
        side = ops.sqrt(ops.relu(box_ops.areas(rois))) + 1e-6
        # Comparisons are exact, while a logarithm rounds.
        reached = side.expand_dims(-1) >= self.larger_scales
        return self.reduce_sum(reached.astype(ms.float32), -1).astype(ms.int32)


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
        return self.pool_packed(self.pack((p2, p3, p4, p5)), rois, levels)

    def pool_packed(self, maps, rois, levels):
        """The same from what `pack` returns."""
        packed, origins = maps
        batch, count = levels.shape
        # For each level what a RoI (x1, y1, x2, y2) is multiplied by, and what is then added. RoIs that are
        # not valid have level -1, the first row.
        table = ((0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0),)
        for stride, (row, column) in zip(self.strides, origins):
            x = column - self.shift
            y = row - self.shift
            scale = 1.0 / stride
            table += ((scale, scale, scale, scale, x, y, x - 1.0, y - 1.0),)
        rows = ops.gather(Tensor(table, ms.float32), levels + 1, 0)
        scales, shifts = ops.split(rows, 4, -1)
        corners = rois * scales + shifts
        if not self.aligned:  # the older convention pools at least one whole cell
            starts, ends = ops.split(corners, 2, -1)
            corners = ops.concat((starts, ops.maximum(ends, starts)), -1)
        image = ops.arange(0, batch).astype(ms.float32).reshape(-1, 1, 1).tile((1, count, 1))
        return self.operator(packed, ops.concat((image, corners), -1).reshape(-1, 5))

    def pack(self, features):
        """The packed map [B, C, H, W], and (y, x) of each level's first cell in it."""
        shapes = [f.shape for f in features]
        row = shapes[0][2] + 3
        column4 = shapes[1][3] + 3
        column5 = column4 + shapes[2][3] + 2
        width = max(shapes[0][3] + 2, column5 + shapes[3][3] + 1)
        above = edges_and_map(ops.concat(edges_and_map(features[0], 2), 2), 3)
        below = ()
        for f in features[1:]:
            missing = zeros_along(f, 2, shapes[1][2] - f.shape[2])
            below += edges_and_map(ops.concat(edges_and_map(f, 2) + missing, 2), 3)
        above += zeros_along(above[0], 3, width - shapes[0][3] - 2)
        below += zeros_along(below[0], 3, width - column5 - shapes[3][3] - 1)
        packed = ops.concat((ops.concat(above, 3), ops.concat(below, 3)), 2)
        return packed, ((1, 1), (row, 1), (row, column4), (row, column5))


def edges_and_map(x, axis):
    """(first line, x, last line) of maps along axis 2 or 3: the parts of x with a border that repeats it."""
    if axis == 2:
        return x[:, :, :1], x, x[:, :, -1:]
    return x[:, :, :, :1], x, x[:, :, :, -1:]


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
