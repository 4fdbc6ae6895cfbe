"""The feature pyramid against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.fpn_neck import upsample_and_add
from src.maskrcnn.from_config import make_pyramid
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config


def test_upsampling_repeats_every_cell(rng):
    coarse = rng.normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
    fine = rng.normal(0, 1, (2, 3, 8, 10)).astype(np.float32)
    want = fine + coarse.repeat(2, 2).repeat(2, 3)
    np.testing.assert_array_equal(upsample_and_add(Tensor(coarse), Tensor(fine)).asnumpy(), want)


@pytest.mark.parametrize("norm", ["none", "gn"])
def test_the_whole_pyramid_against_numpy(rng, norm):
    """P5 has odd sides. P6 takes every second cell of it, and the first."""
    config = small_config(f"fpn_norm={norm}")
    neck = draw_weights(make_pyramid(config))
    maps = [
        rng.normal(0, 1, (2, channels, 40 // step, 56 // step)).astype(np.float32)
        for channels, step in zip(config.resnet_out_channels, (1, 2, 4, 8))
    ]
    got = [level.asnumpy() for level in neck(*(Tensor(m) for m in maps))]
    inner = [
        twins.conv_norm(conv, neck.lateral_norm, i, m) for i, (m, conv) in enumerate(zip(maps, neck.lateral))
    ]
    for i in (2, 1, 0):
        inner[i] = inner[i] + inner[i + 1].repeat(2, 2).repeat(2, 3)
    want = [
        twins.conv_norm(conv, neck.output_norm, i, m) for i, (m, conv) in enumerate(zip(inner, neck.output))
    ]
    want.append(want[3][:, :, ::2, ::2])
    assert [level.shape[2:] for level in got] == [(40, 56), (20, 28), (10, 14), (5, 7), (3, 4)]
    for a, b in zip(got, want):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)
