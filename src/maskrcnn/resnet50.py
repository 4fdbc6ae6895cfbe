"""ResNet with bottleneck blocks (He et al. 2016): the maps C2 to C5."""

from __future__ import annotations

from typing import Callable, Sequence

import mindspore as ms
from mindspore import nn, ops
from mindspore.common.initializer import initializer

from .layers import Conv
from .norms import FrozenNorm, conv_norm, keep_exact, make_norm
from .ops.padding import pad_zeros


class Bottleneck(nn.Cell):
    """1x1, 3x3 and 1x1 convolutions and the shortcut: [B, in, H, W] -> [B, out, H / stride, W / stride].

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: That of the 3x3 convolution, or of the first 1x1 if `stride_in_1x1`; and of the projection.
        norm: A function of the channels that makes a norm.
        dtype: What convolutions compute in.
        stride_in_1x1: See `stride`.
        kernels: Whether compiled CPU kernels may be used.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        norm: Callable[[int], nn.Cell],
        dtype: ms.Type = ms.float32,
        stride_in_1x1: bool = False,
        kernels: bool = False,
    ):
        super().__init__()
        width = out_channels // 4
        stride1, stride2 = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = Conv(in_channels, width, 1, stride1, bias=False, dtype=dtype)
        self.bn1 = norm(width)
        self.conv2 = Conv(width, width, 3, stride2, bias=False, dtype=dtype, cpu_kernel=kernels)
        self.bn2 = norm(width)
        self.conv3 = Conv(width, out_channels, 1, bias=False, dtype=dtype)
        self.bn3 = norm(out_channels)
        # A new block computes its shortcut only (Goyal et al. 2017, section 5.1). So the features of a deep
        # backbone from scratch do not grow from block to block.
        self.bn3.gamma.set_data(initializer("zeros", self.bn3.gamma.shape, self.bn3.gamma.dtype))
        self.has_projection = stride != 1 or in_channels != out_channels
        if self.has_projection:
            projection = Conv(in_channels, out_channels, 1, stride, bias=False, dtype=dtype)
            self.down_sample = nn.CellList([projection, norm(out_channels)])
        for conv, its_norm in self.convs_and_norms():
            keep_exact(conv, its_norm)

    def convs_and_norms(self):
        """(convolution, its norm) of all its convolutions."""
        pairs = [(self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)]
        return pairs + ([tuple(self.down_sample)] if self.has_projection else [])

    def construct(self, x):
        y = ops.relu(conv_norm(self.conv1, self.bn1, x))
        y = ops.relu(conv_norm(self.conv2, self.bn2, y))
        y = conv_norm(self.conv3, self.bn3, y)
        shortcut = conv_norm(self.down_sample[0], self.down_sample[1], x) if self.has_projection else x
        return ops.relu(y + shortcut)


class ResNet(nn.Cell):
    """[B, 3, H, W] -> (C2, C3, C4, C5) with strides 4, 8, 16 and 32.

    Args:
        blocks: How many blocks each of the four stages has.
        in_channels: Channels into each stage; the first is the stem's width.
        out_channels: Channels out of each stage.
        norm: 'frozen', 'bn', 'sync_bn' or 'gn'.
        norm_eps: Added to the norms' variance.
        fold_norms: Whether frozen norms are folded into the convolutions' weights.
        freeze_at: How many stages are frozen: 1 is the stem, 2 the stem and the first stage, and so on. They
            have no gradient. Their batch norms are `FrozenNorm`, because moving statistics would change them.
        stride_in_1x1: As in `Bottleneck`.
        dtype: What convolutions compute in.
        kernels: Whether compiled CPU kernels may be used.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        norm: str,
        norm_eps: float = 1e-5,
        fold_norms: bool = True,
        freeze_at: int = 0,
        stride_in_1x1: bool = False,
        dtype: ms.Type = ms.float32,
        kernels: bool = False,
    ):
        super().__init__()

        def norm_of(stage):
            if norm == "frozen" or norm != "gn" and stage <= freeze_at:
                return lambda channels: FrozenNorm(channels, norm_eps, fold_norms)
            return lambda channels: make_norm(norm, channels, norm_eps, kernels and dtype == ms.float32)

        stem = in_channels[0]
        self.conv1 = Conv(3, stem, 7, 2, bias=False, dtype=dtype, cpu_kernel=kernels, input_gradient=False)
        self.bn1 = norm_of(1)(stem)
        keep_exact(self.conv1, self.bn1)
        stages = []
        for i in range(4):
            stage = [
                Bottleneck(
                    in_channels[i] if j == 0 else out_channels[i],
                    out_channels[i],
                    2 if i > 0 and j == 0 else 1,
                    norm_of(i + 2),
                    dtype,
                    stride_in_1x1,
                    kernels,
                )
                for j in range(blocks[i])
            ]
            stages.append(nn.CellList(stage))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.max_pool = ops.MaxPool(kernel_size=3, strides=2, pad_mode="valid")
        # MindSpore has no MaxPool of bfloat16.
        self.pools_in_float32 = dtype == ms.bfloat16
        parts = (self.conv1, self.bn1, *stages)
        for part in parts[: freeze_at + 1 if freeze_at else 0]:
            for parameter in part.get_parameters():
                parameter.requires_grad = False
        if 1 <= freeze_at < 5:  # the first block that is trained
            block = stages[freeze_at - 1][0]
            block.conv1.has_input_gradient = False
            if block.has_projection:
                block.down_sample[0].has_input_gradient = False

    def convs_and_norms(self):
        """(convolution, its norm) of all its convolutions."""
        blocks = [block for stage in (self.layer1, self.layer2, self.layer3, self.layer4) for block in stage]
        pairs = [pair for block in blocks for pair in block.convs_and_norms()]
        return [(self.conv1, self.bn1), *pairs]

    def construct(self, images):
        x = ops.relu(conv_norm(self.conv1, self.bn1, images))
        # After a ReLU no value is below 0, so a border of zeros does not change the maximum of any window.
        # MindSpore would make a padded pool a slow 3-d pool, which ONNX does not have.
        x = pad_zeros(pad_zeros(x, 2, 1, 1), 3, 1, 1)
        x = self.max_pool(x.astype(ms.float32)).astype(x.dtype) if self.pools_in_float32 else self.max_pool(x)
        c2 = self.run_stage(self.layer1, x)
        c3 = self.run_stage(self.layer2, c2)
        c4 = self.run_stage(self.layer3, c3)
        c5 = self.run_stage(self.layer4, c4)
        return c2, c3, c4, c5

    def run_stage(self, blocks, x):
        for block in blocks:
            x = block(x)
        return x
