"""The box head: forward pass, picking a class's deltas, and its losses against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.rcnn_cls import BoxHead, select_class
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config

STDS = (0.1, 0.1, 0.2, 0.2)


def plain_count(count):
    return count


def dense(layer, x):
    return x @ layer.weight.asnumpy().astype(np.float64).T + layer.bias.asnumpy()


@pytest.mark.parametrize(
    "words",
    [(), ("rcnn_num_convs=2", "rcnn_conv_out_channels=16"), ("rcnn_num_convs=1", "rcnn_norm=none")],
    ids=["fully connected", "convolutions with group norm", "a convolution without"],
)
def test_forward_pass(rng, words):
    head = draw_weights(BoxHead(small_config(*words)))
    x = rng.normal(0, 1, (5, 32, 7, 7)).astype(np.float32)
    logits, deltas = head(Tensor(x))
    hidden = x
    for i, conv in enumerate(head.convs):
        hidden = np.maximum(twins.conv_norm(conv, head.norms, i, hidden), 0)
    hidden = hidden.reshape(5, -1)
    for layer in head.fc:
        hidden = np.maximum(dense(layer, hidden), 0)
    np.testing.assert_allclose(logits.asnumpy(), dense(head.cls, hidden), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        deltas.asnumpy(), dense(head.reg, hidden).reshape(5, 4, 4), rtol=1e-4, atol=1e-4
    )


def test_selecting_a_class(rng):
    values, classes = rng.normal(0, 1, (6, 9, 4)).astype(np.float32), rng.integers(0, 9, 6).astype(np.int32)
    np.testing.assert_array_equal(
        select_class(Tensor(values), Tensor(classes)).asnumpy(), values[np.arange(6), classes]
    )


@pytest.mark.parametrize("beta", [1.0, 1 / 9])
def test_losses(rng, beta):
    """Class loss over all samples, box loss over the positive ones by their own class, both over the number of samples."""
    head = BoxHead(
        small_config(f"rcnn_smooth_l1_beta={beta}", "rcnn_loss_cls_weight=2", "rcnn_loss_reg_weight=3")
    )

    @ms.jit
    def graph(logits, deltas, rois, objects, classes, weight):
        return head.losses(logits, deltas, rois, objects, classes, weight, plain_count)

    logits, deltas = (
        rng.normal(0, 2, (12, 4)).astype(np.float32),
        rng.normal(0, 1, (12, 4, 4)).astype(np.float32),
    )
    rois, objects = twins.random_boxes(rng, 12), twins.random_boxes(rng, 12)
    classes, weight = rng.integers(0, 4, 12).astype(np.int32), (rng.uniform(size=12) < 0.7).astype(np.float32)
    rois[3] = objects[3] = weight[3] = classes[3] = 0  # a padded slot
    got = [
        float(loss.asnumpy())
        for loss in graph(*(Tensor(a) for a in (logits, deltas, rois, objects, classes, weight)))
    ]
    keep = np.arange(12) != 3
    error = deltas[np.arange(12), classes][keep] - twins.encode(rois[keep], objects[keep], STDS)
    reg = (twins.smooth_l1(error, beta).sum(1) * weight[keep] * (classes[keep] > 0)).sum() / weight.sum()
    cls = (twins.cross_entropy(logits, classes) * weight).sum() / weight.sum()
    np.testing.assert_allclose(got, [2 * cls, 3 * reg], rtol=1e-5)


def test_background_has_no_box_loss(rng):
    head = BoxHead(small_config())

    @ms.jit
    def graph(logits, deltas, rois, objects, classes, weight):
        return head.losses(logits, deltas, rois, objects, classes, weight, plain_count)

    rois = twins.random_boxes(rng, 5)
    arrays = (
        np.zeros((5, 4)),
        rng.normal(0, 1, (5, 4, 4)),
        rois,
        np.zeros((5, 4)),
        np.zeros(5, np.int32),
        np.ones(5),
    )
    cls, reg = graph(*(Tensor(a.astype(np.int32 if a.dtype.kind == "i" else np.float32)) for a in arrays))
    assert float(reg.asnumpy()) == 0 and float(cls.asnumpy()) == pytest.approx(np.log(4), rel=1e-5)
