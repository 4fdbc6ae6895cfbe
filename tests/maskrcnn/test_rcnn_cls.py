"""The box head: forward pass, and its losses against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.from_config import make_box_head
from tests.maskrcnn import twins
from tests.small_network import draw_weights, small_config

STDS = (0.1, 0.1, 0.2, 0.2)


def same_count(count):
    return count


def dense(layer, x):
    return x @ layer.weight.asnumpy().astype(np.float64).T + layer.bias.asnumpy()


def losses_graph(head):
    """A compiled function of the arguments of `BoxHead.losses`, without `normalize`."""

    @ms.jit
    def graph(logits, deltas, rois, matched_gt_boxes, classes, weight):
        return head.losses(logits, deltas, rois, matched_gt_boxes, classes, weight, same_count)

    return graph


@pytest.mark.parametrize(
    "words",
    [(), ("rcnn_num_convs=2", "rcnn_conv_out_channels=16"), ("rcnn_num_convs=1", "rcnn_norm=none")],
    ids=["fully connected", "convolutions with group norm", "a convolution without"],
)
def test_forward_pass(rng, words):
    head = draw_weights(make_box_head(small_config(*words)))
    x = rng.normal(0, 1, (5, 32, 7, 7)).astype(np.float32)
    logits, deltas = head(Tensor(x))
    hidden = x
    for i, conv in enumerate(head.convs):
        hidden = np.maximum(twins.conv_norm(conv, head.norms, i, hidden), 0)
    hidden = hidden.reshape(5, -1)
    for layer in head.fc:
        hidden = np.maximum(dense(layer, hidden), 0)
    np.testing.assert_allclose(logits.asnumpy(), dense(head.cls, hidden), rtol=1e-4, atol=1e-4)
    want = dense(head.reg, hidden).reshape(5, 4, 4)
    np.testing.assert_allclose(deltas.asnumpy(), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beta", [1.0, 1 / 9])
def test_losses(rng, beta):
    """Both are divided by the number of samples. The box loss is that of the positive ones' own class."""
    head = make_box_head(
        small_config(f"rcnn_smooth_l1_beta={beta}", "rcnn_loss_cls_weight=2", "rcnn_loss_reg_weight=3")
    )
    logits = rng.normal(0, 2, (12, 4)).astype(np.float32)
    deltas = rng.normal(0, 1, (12, 4, 4)).astype(np.float32)
    rois = twins.random_boxes(rng, 12)
    gt_boxes = twins.random_boxes(rng, 12)
    classes = rng.integers(0, 4, 12).astype(np.int32)
    weight = (rng.uniform(size=12) < 0.7).astype(np.float32)
    rois[3] = gt_boxes[3] = weight[3] = classes[3] = 0  # a padded slot
    arrays = (logits, deltas, rois, gt_boxes, classes, weight)
    got = [float(loss.asnumpy()) for loss in losses_graph(head)(*(Tensor(a) for a in arrays))]
    keep = np.arange(12) != 3
    error = deltas[np.arange(12), classes][keep] - twins.encode(rois[keep], gt_boxes[keep], STDS)
    reg = (twins.smooth_l1(error, beta).sum(1) * weight[keep] * (classes[keep] > 0)).sum() / weight.sum()
    cls = (twins.cross_entropy(logits, classes) * weight).sum() / weight.sum()
    np.testing.assert_allclose(got, [2 * cls, 3 * reg], rtol=1e-5)


def test_background_has_no_box_loss(rng):
    head = make_box_head(small_config())
    rois = twins.random_boxes(rng, 5)
    logits = np.zeros((5, 4), np.float32)
    deltas = rng.normal(0, 1, (5, 4, 4)).astype(np.float32)
    gt_boxes = np.zeros((5, 4), np.float32)
    classes = np.zeros(5, np.int32)
    weight = np.ones(5, np.float32)
    arrays = (logits, deltas, rois, gt_boxes, classes, weight)
    cls, reg = losses_graph(head)(*(Tensor(a) for a in arrays))
    assert float(reg.asnumpy()) == 0 and float(cls.asnumpy()) == pytest.approx(np.log(4), rel=1e-5)
