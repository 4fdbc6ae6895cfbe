"""The mask head's CPU kernels against MindSpore's operators: loss, gradients of features and parameters."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.maskrcnn.cpu import mask_kernel
from src.maskrcnn.from_config import make_mask_head
from tests.maskrcnn import twins
from tests.maskrcnn.test_rcnn_mask import logits_of_all_classes
from tests.small_network import draw_weights, small_config

SLOTS = 40


def at_least_one(count):
    return ops.maximum(count, 1.0)


def with_gradients(head, by_kernel, scale=1.0):
    def loss(pooled, classes, roi_valid, targets):
        if by_kernel:
            return scale * head.loss(pooled, classes, roi_valid, targets, at_least_one)
        return head.loss_of_logits(head(pooled, classes), targets, roi_valid.astype(ms.float32), at_least_one)

    return ms.jit(ms.value_and_grad(loss, 0, head.trainable_params()))


@pytest.fixture(scope="module")
def head():
    return draw_weights(make_mask_head(small_config("rcnn_loss_mask_fb_weight=2")))


@pytest.fixture(scope="module")
def both(head):
    """(by the kernel, by MindSpore's operators), functions of features, classes, roi_valid and targets."""
    return with_gradients(head, True), with_gradients(head, False)


def draw(rng, num_valid):
    roi_valid = np.zeros(SLOTS, bool)
    roi_valid[rng.permutation(SLOTS)[:num_valid]] = True
    return (
        rng.normal(0, 1, (SLOTS, 32, 14, 14)).astype(np.float32),
        rng.integers(0, 4, SLOTS).astype(np.int32),
        roi_valid,
        (rng.uniform(size=(SLOTS, 28, 28)) < 0.4).astype(np.float32),
    )


@pytest.mark.parametrize("num_valid", [1, 7, SLOTS])
def test_loss_and_gradients(rng, head, both, num_valid):
    x, classes, roi_valid, targets = draw(rng, num_valid)
    (loss, (of_x, of_weights)), (_, (plain_of_x, plain_of_weights)) = (
        function(*map(Tensor, (x, classes, roi_valid, targets))) for function in both
    )
    logits = logits_of_all_classes(head, x)[np.arange(SLOTS), classes][roi_valid]
    want = 2 * twins.sigmoid_cross_entropy(logits, targets[roi_valid]).mean()
    assert float(loss.asnumpy()) == pytest.approx(want, rel=1e-5)
    assert not of_x.asnumpy()[~roi_valid].any()
    for got, plain in zip((of_x, *of_weights), (plain_of_x, *plain_of_weights)):
        got = got.asnumpy()
        plain = plain.asnumpy()
        assert plain.any()
        np.testing.assert_allclose(got, plain, rtol=1e-4, atol=2e-6 * np.abs(plain).max())


@pytest.mark.parametrize("num_valid", [0, 1, 23])
def test_logits_of_the_valid(rng, head, num_valid):
    x, classes, roi_valid, _ = draw(rng, num_valid)
    got = ms.jit(head.valid_logits)(*map(Tensor, (x, classes, roi_valid))).asnumpy()
    assert got.shape == (SLOTS, 28, 28) and not got[~roi_valid].any()
    want = logits_of_all_classes(head, x)[np.arange(SLOTS), classes][roi_valid]
    np.testing.assert_allclose(got[roi_valid], want, rtol=1e-4, atol=1e-4)


def test_without_the_kernel_mindspores_operators_are_used(rng, head, both):
    plain = make_mask_head(small_config("rcnn_loss_mask_fb_weight=2"), kernels=False)
    given = [Tensor(one) for one in draw(rng, 9)]
    for own, other in zip(plain.trainable_params(), head.trainable_params()):
        own.set_data(other)
    loss, (of_x, _) = with_gradients(plain, True)(*given)
    want, (want_of_x, _) = both[1](*given)
    assert float(loss.asnumpy()) == float(want.asnumpy()) and (of_x.asnumpy() == want_of_x.asnumpy()).all()


def test_no_valid_roi(rng, both):
    loss, (of_x, of_weights) = both[0](*map(Tensor, draw(rng, 0)))
    assert float(loss.asnumpy()) == 0 and not any(part.asnumpy().any() for part in (of_x, *of_weights))


def test_a_scaled_loss_has_scaled_gradients(rng, head, both):
    given = [Tensor(one) for one in draw(rng, 5)]
    _, scaled = with_gradients(head, True, 1024.0)(*given)
    _, plain = both[0](*given)
    for got, want in zip((scaled[0], *scaled[1]), (plain[0], *plain[1])):
        np.testing.assert_allclose(got.asnumpy(), 1024 * want.asnumpy(), rtol=1e-6)


def test_any_number_of_threads_and_of_rois_at_a_time_gives_the_same(rng, head, monkeypatch):
    parameters = [one.asnumpy() for conv in head.conv for one in (conv.weight, conv.bias)]
    parameters += [
        one.asnumpy() for one in (head.up_weight, head.up_bias, head.logits_weight, head.logits_bias)
    ]
    given = [*draw(rng, 23), *parameters]
    want = mask_kernel.mask_loss(1, *given)
    monkeypatch.setattr(mask_kernel, "ROIS_PER_CHUNK", 3)
    for threads in (1, 2, 3):
        for got, whole in zip(mask_kernel.mask_loss(threads, *given), want):
            np.testing.assert_allclose(got, whole, rtol=1e-4, atol=2e-6 * np.abs(whole).max())


def test_which_heads_use_the_kernel():
    assert make_mask_head(small_config()).loss_kernel is not None
    assert make_mask_head(small_config("rcnn_mask_norm=gn")).loss_kernel is None
    assert (
        make_mask_head(small_config(), ms.float16).loss_kernel is None
        and make_mask_head(small_config(), kernels=False).loss_kernel is None
    )
