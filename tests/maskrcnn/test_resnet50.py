"""The backbone: shapes, the pool, where the stride is, and what is fixed."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.from_config import make_backbone
from src.maskrcnn.norms import GroupNorm
from src.maskrcnn.resnet50 import Bottleneck
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config


def relu(x):
    return np.maximum(x, 0)


def frozen(y, norm):
    shape = (1, -1, 1, 1)
    scale = norm.gamma.asnumpy() / np.sqrt(norm.moving_variance.asnumpy() + norm.eps)
    centered = y - norm.moving_mean.asnumpy().reshape(shape)
    return centered * scale.reshape(shape) + norm.beta.asnumpy().reshape(shape)


def bottleneck(block, x, stride, stride_in_1x1=False):
    """The block's twin: stride in the 3x3 convolution, or in the first 1x1, and in the projection."""
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    y = relu(frozen(twins.convolution(x, block.conv1.weight.asnumpy(), stride=first), block.bn1))
    y = relu(frozen(twins.convolution(y, block.conv2.weight.asnumpy(), stride=second), block.bn2))
    y = frozen(twins.convolution(y, block.conv3.weight.asnumpy()), block.bn3)
    if block.has_projection:
        x = frozen(
            twins.convolution(x, block.down_sample[0].weight.asnumpy(), stride=stride), block.down_sample[1]
        )
    return relu(x + y)


@pytest.mark.parametrize("stride_in_1x1", [False, True])
def test_the_whole_backbone_against_numpy(rng, stride_in_1x1):
    network = draw_weights(
        make_backbone(small_config("resnet_block=[2, 1, 1, 1]", f"stride_in_1x1={stride_in_1x1}"), "frozen")
    )
    x = rng.normal(0, 1, (2, 3, 64, 96)).astype(np.float32)
    got = [level.asnumpy() for level in network(Tensor(x))]
    assert [level.shape for level in got] == [(2, 32, 16, 24), (2, 64, 8, 12), (2, 64, 4, 6), (2, 64, 2, 3)]
    y = relu(frozen(twins.convolution(x, network.conv1.weight.asnumpy(), stride=2), network.bn1))
    y = np.pad(y, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    y = np.max([y[:, :, i : i + 32 : 2, j : j + 48 : 2] for i in range(3) for j in range(3)], 0)
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    for stage, (blocks, level) in enumerate(zip(stages, got)):
        for i, block in enumerate(blocks):
            y = bottleneck(block, y, 2 if stage and i == 0 else 1, stride_in_1x1)
        np.testing.assert_allclose(level, y, rtol=1e-4, atol=1e-4)


def test_only_a_block_that_changes_shape_has_a_projection():
    def norm(channels):
        return GroupNorm(channels, 1e-5)

    for in_channels, stride, expected in ((32, 1, False), (32, 2, True), (16, 1, True)):
        assert Bottleneck(in_channels, 32, stride, norm, None).has_projection == expected


@pytest.mark.parametrize("freeze_at", range(6))
def test_freeze_at(freeze_at):
    network = make_backbone(small_config(), "gn", freeze_at)
    trained = {parameter.name.split(".")[0] for parameter in network.trainable_params()}
    parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]
    fixed = parts[: freeze_at + 1] if freeze_at else []
    assert trained == set(parts) - set(fixed)


@pytest.mark.parametrize("freeze_at", [0, 2, 5])
def test_a_fixed_stage_keeps_its_statistics_too(rng, freeze_at):
    """Batch norms of fixed stages are frozen, as in detectron2's `freeze`; the others' statistics move."""
    network = make_backbone(small_config(), "bn", freeze_at).set_train(True)
    before = {
        parameter.name: parameter.asnumpy().copy()
        for parameter in network.get_parameters()
        if "moving_mean" in parameter.name
    }
    network(Tensor(rng.normal(0, 1, (2, 3, 64, 64)).astype(np.float32)))
    moved = {
        parameter.name.split(".")[0]
        for parameter in network.get_parameters()
        if "moving_mean" in parameter.name and not np.array_equal(parameter.asnumpy(), before[parameter.name])
    }
    assert moved == set(["bn1", "layer1", "layer2", "layer3", "layer4"][freeze_at:])


def test_a_new_backbone_keeps_the_size_of_its_signal(rng):
    """With He et al.'s initialisation and batch norm the maps neither vanish nor explode."""
    network = make_backbone(small_config(), "bn").set_train(True)
    got = [level.asnumpy() for level in network(Tensor(rng.normal(0, 1, (2, 3, 64, 64)).astype(np.float32)))]
    assert all(0.1 < level.std() < 10 for level in got)
    assert all(
        parameter.asnumpy().std() > 1e-3
        for parameter in network.trainable_params()
        if parameter.name.endswith("weight")
    )
