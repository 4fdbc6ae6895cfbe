"""Frozen norms that are folded into their convolutions once."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.engine.training.folded_norms import FoldedNorms
from src.maskrcnn.build import build_network
from src.maskrcnn.norms import FrozenNorm
from tests.small_network import draw_weights, small_config


@pytest.fixture
def network():
    config = small_config("norm=frozen", "freeze_at=2")
    return draw_weights(build_network(config, "Ascend", loads_weights=True)).set_train(True)


def scale_and_shift(norm):
    """By the definition of batch norm (Ioffe & Szegedy 2015), in float64."""
    gamma, beta, mean, variance = (
        array.asnumpy().astype(np.float64)
        for array in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.eps)
    return scale, beta - scale * mean


def assert_right(network):
    backbone = network.backbone
    stem = backbone.conv1
    scale, shift = scale_and_shift(backbone.bn1)
    np.testing.assert_allclose(backbone.bn1.shift_value(None, None).asnumpy(), shift, rtol=2e-3, atol=1e-6)
    product = stem.weight.asnumpy() * scale.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(stem.own_weight().asnumpy(), product, rtol=2e-3, atol=1e-6)


def test_the_products_are_those_of_batch_norm_and_follow_other_values(network):
    folded = FoldedNorms(network)
    norms = [cell for _, cell in network.cells_and_names() if isinstance(cell, FrozenNorm)]
    assert len(norms) == len(folded.pairs) > 10
    assert all(norm.is_folded for norm in norms)
    block = network.backbone.layer2[0]
    for conv, norm in (
        (network.backbone.conv1, network.backbone.bn1),
        (block.conv1, block.bn1),
        (block.conv2, block.bn2),
        (block.conv3, block.bn3),
        (block.down_sample[0], block.down_sample[1]),
    ):
        assert folded.norms[conv.weight.name] is norm
    assert_right(network)
    rng = np.random.default_rng(0)
    for norm in norms:
        norm.gamma.set_data(Tensor(rng.normal(size=norm.gamma.shape).astype(np.float32)))
        norm.moving_mean.set_data(Tensor(rng.normal(size=norm.gamma.shape).astype(np.float32)))
    folded.update()
    assert_right(network)


def test_rows_are_the_scales_of_what_a_norm_follows_and_else_1(network):
    folded = FoldedNorms(network)
    block = network.backbone.layer3[0]
    weights = [network.rpn.conv.weight, block.conv1.weight]
    rows = folded.rows(0, weights)
    expected = np.concatenate([np.ones(len(weights[0])), scale_and_shift(block.bn1)[0]])
    assert rows.shape == (len(expected), 1, 1, 1)
    np.testing.assert_allclose(rows.asnumpy().ravel(), expected, rtol=1e-6)
    assert folded.rows(1, weights[:1]) is None


def test_a_network_without_frozen_norms_has_none():
    network = build_network(small_config("norm=bn"), "Ascend").set_train(True)
    folded = FoldedNorms(network)
    assert folded.arrays == []
