"""Feature pyramid network (Lin et al. 2017): P2 to P5 from C2 to C5, and P6 by subsampling P5."""

from __future__ import annotations

from typing import Sequence

import mindspore as ms
from mindspore import nn

from .layers import Conv
from .norms import conv_norm_at, norm_list


def upsample_and_add(coarse, fine):
    """fine [B, C, 2h, 2w] plus coarse [B, C, h, w], upsampled 2x to the nearest.

    The sum broadcasts, so the upsampled map is never stored.
    """
    batch, channels, height, width = coarse.shape
    fine = fine.reshape(batch, channels, height, 2, width, 2)
    total = fine + coarse.reshape(batch, channels, height, 1, width, 1)
    return total.reshape(batch, channels, 2 * height, 2 * width)


class FeaturePyramid(nn.Cell):
    """(C2, C3, C4, C5) -> (P2, P3, P4, P5, P6), each [B, out_channels, H / stride, W / stride].

    Args:
        in_channels: Channels of C2 to C5.
        out_channels: Channels of every level.
        norm: 'none', or the norm that every convolution has instead of a bias: 'bn', 'sync_bn' or 'gn'. It is
            for training from scratch (He et al. 2019, "Rethinking ImageNet pre-training").
        norm_eps: Added to the norms' variance.
        dtype: What convolutions compute in.
        kernels: Whether compiled CPU kernels may be used.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        norm: str = "none",
        norm_eps: float = 1e-5,
        dtype: ms.Type = ms.float32,
        kernels: bool = False,
    ):
        super().__init__()
        settings = dict(bias=norm == "none", init="xavier", dtype=dtype)
        self.lateral = nn.CellList([Conv(channels, out_channels, 1, **settings) for channels in in_channels])
        self.output = nn.CellList(
            [Conv(out_channels, out_channels, 3, cpu_kernel=kernels, **settings) for _ in in_channels]
        )
        norm_kernels = kernels and dtype == ms.float32
        self.lateral_norm = norm_list(norm, [out_channels] * 4, norm_eps, norm_kernels)
        self.output_norm = norm_list(norm, [out_channels] * 4, norm_eps, norm_kernels)

    def construct(self, c2, c3, c4, c5):
        m5 = conv_norm_at(self.lateral, self.lateral_norm, 3, c5)
        m4 = upsample_and_add(m5, conv_norm_at(self.lateral, self.lateral_norm, 2, c4))
        m3 = upsample_and_add(m4, conv_norm_at(self.lateral, self.lateral_norm, 1, c3))
        m2 = upsample_and_add(m3, conv_norm_at(self.lateral, self.lateral_norm, 0, c2))
        p5 = conv_norm_at(self.output, self.output_norm, 3, m5)
        return (
            conv_norm_at(self.output, self.output_norm, 0, m2),
            conv_norm_at(self.output, self.output_norm, 1, m3),
            conv_norm_at(self.output, self.output_norm, 2, m4),
            p5,
            p5[:, :, ::2, ::2],
        )
