"""The mask head against its plain form, and its loss."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.from_config import make_mask_head
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config


def same_count(count):
    return count


def transposed_convolution(x, weight, bias):
    """Kernel and stride 2: a cell becomes a 2x2 block; weight [in, out, 2, 2]."""
    blocks = np.einsum("nchw,coij->nohiwj", x, weight.astype(np.float64))
    count, channels, height, _, width, _ = blocks.shape
    return blocks.reshape(count, channels, 2 * height, 2 * width) + bias.reshape(1, -1, 1, 1)


def logits_of_all_classes(head, x):
    """Mask logits [R, classes, 28, 28]."""
    for i, conv in enumerate(head.conv):
        x = np.maximum(twins.conv_norm(conv, head.norms, i, x), 0)
    x = np.maximum(transposed_convolution(x, head.up_weight.asnumpy(), head.up_bias.asnumpy()), 0)
    logits = np.einsum("nchw,kc->nkhw", x, head.logits_weight.asnumpy().astype(np.float64))
    return logits + head.logits_bias.asnumpy().reshape(1, -1, 1, 1)


@pytest.mark.parametrize("norm", ["none", "gn"])
def test_forward_pass(rng, norm):
    """The head's mask is that of the RoI's class among the masks of all classes."""
    head = draw_weights(make_mask_head(small_config(f"rcnn_mask_norm={norm}")))
    x = rng.normal(0, 1, (6, 32, 14, 14)).astype(np.float32)
    classes = np.array([0, 1, 2, 3, 3, 1], np.int32)
    want = logits_of_all_classes(head, x)[np.arange(6), classes]
    got = head(Tensor(x), Tensor(classes)).asnumpy()
    assert got.shape == (6, 28, 28) and want.std() > 0.1
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_loss(rng):
    head = make_mask_head(small_config("rcnn_loss_mask_fb_weight=2"))

    @ms.jit
    def graph(logits, targets, weight):
        return head.loss_of_logits(logits, targets, weight, same_count)

    logits = rng.normal(0, 3, (5, 28, 28)).astype(np.float32)
    targets = (rng.uniform(size=(5, 28, 28)) < 0.4).astype(np.float32)
    weight = np.array([1, 0, 1, 1, 0], np.float32)
    want = 2 * twins.sigmoid_cross_entropy(logits, targets).mean((1, 2))[weight > 0].mean()
    got = float(graph(Tensor(logits), Tensor(targets), Tensor(weight)).asnumpy())
    assert got == pytest.approx(want, rel=1e-5)


def test_at_initialisation_the_loss_is_ln_2(rng):
    """A new head gives every pixel a probability of 1/2, whatever the features."""
    head = make_mask_head(small_config("rcnn_mask_out_channels=256", "fpn_out_channels=256"))
    x = np.abs(rng.normal(0, 1, (4, 256, 14, 14))).astype(np.float32)
    classes = np.array([1, 2, 3, 1], np.int32)
    logits = head(Tensor(x), Tensor(classes)).asnumpy()
    loss = twins.sigmoid_cross_entropy(logits, rng.uniform(size=logits.shape) < 0.5).mean()
    assert loss == pytest.approx(math.log(2), abs=0.01) and logits.std() > 1e-4
