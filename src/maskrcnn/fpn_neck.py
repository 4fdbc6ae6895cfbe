"""Feature pyramid network (Lin et al. 2017): P2 to P5 from C2 to C5, P6 by subsampling P5."""
from __future__ import annotations

import mindspore as ms
from mindspore import nn

from src.maskrcnn.layers import Conv


def upsample_and_add(coarse, fine):
    """fine [B, C, 2h, 2w] + nearest 2x upsampling of coarse [B, C, h, w]; a broadcast, so the upsampled map is never made."""
    batch, channels, height, width = coarse.shape
    fine = fine.reshape(batch, channels, height, 2, width, 2)
    return (fine + coarse.reshape(batch, channels, height, 1, width, 1)).reshape(batch, channels, 2 * height, 2 * width)


class FeaturePyramid(nn.Cell):
    """(C2, C3, C4, C5) -> (P2, P3, P4, P5, P6), each [B, fpn_out_channels, H/stride, W/stride]."""

    def __init__(self, config, dtype=ms.float32):
        super().__init__()
        out = config.fpn_out_channels
        self.lateral = nn.CellList([Conv(channels, out, 1, init="xavier", dtype=dtype) for channels in config.fpn_in_channels])
        self.output = nn.CellList([Conv(out, out, 3, init="xavier", dtype=dtype) for _ in config.fpn_in_channels])

    def construct(self, c2, c3, c4, c5):
        m5 = self.lateral[3](c5)
        m4 = upsample_and_add(m5, self.lateral[2](c4))
        m3 = upsample_and_add(m4, self.lateral[1](c3))
        m2 = upsample_and_add(m3, self.lateral[0](c2))
        p5 = self.output[3](m5)
        return self.output[0](m2), self.output[1](m3), self.output[2](m4), p5, p5[:, :, ::2, ::2]
