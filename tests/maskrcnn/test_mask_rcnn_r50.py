"""A small network: the CPU form against the Ascend form, pictures without objects, inference, randomness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.build import build_network
from tests.maskrcnn import twins
from tests.parity.table import partners
from tests.small_network import ASCEND_FORM as ASCEND
from tests.small_network import CPU_FORM as CPU
from tests.small_network import (
    SIDE,
    draw_weights,
    gradient_step,
    initial_weights,
    small_batch,
    small_config,
    small_network,
)

LOSSES = ("rpn_cls_loss", "rpn_reg_loss", "rcnn_cls_loss", "rcnn_reg_loss", "rcnn_mask_loss")


def compare(objects, seed):
    batch = small_batch(seed, objects)
    figures, gradients = gradient_step(*CPU)(batch)
    want_figures, want_gradients = gradient_step(*ASCEND)(batch)
    for name in LOSSES:
        assert figures[name] == pytest.approx(want_figures[name], rel=1e-4, abs=1e-6), name
    assert gradients.keys() == want_gradients.keys()
    for name, gradient in gradients.items():
        size = np.sqrt((want_gradients[name].astype(np.float64) ** 2).mean())
        assert np.abs(gradient - want_gradients[name]).max() <= 5e-3 * size + 1e-6, name
    return figures, gradients


@pytest.mark.parametrize(("objects", "seed"), [((3, 5), 0), ((8, 1), 1), ((0, 4), 2)])
def test_the_ascend_form_computes_what_the_cpu_form_computes(objects, seed):
    """Losses and gradients of padding and operators, and of valid rows and compiled kernels."""
    figures, gradients = compare(objects, seed)
    assert [name for name in LOSSES if not figures[name] > 0] == []
    assert [name for name, gradient in gradients.items() if not gradient.any()] == []


@pytest.mark.parametrize("words", [CPU, ASCEND], ids=["cpu", "ascend"])
def test_pictures_without_any_object(words):
    figures, gradients = gradient_step(*words)(small_batch(3, (0, 0)))
    assert figures["rpn_cls_loss"] > 0 and figures["rcnn_cls_loss"] > 0
    assert figures["rpn_reg_loss"] == figures["rcnn_reg_loss"] == figures["rcnn_mask_loss"] == 0
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    untouched = ("rpn.reg", "box_head.reg", "mask_head")
    assert {name for name, gradient in gradients.items() if not gradient.any()} == {
        name for name in gradients if name.startswith(untouched)
    }


def test_channels_in_bgr_are_those_of_rgb_reversed(rng):
    """A first convolution with reversed input channels and statistics in BGR give the same features."""
    rgb = small_network("norm=frozen", "img_mean=[10, 20, 30]", "img_std=[1, 2, 4]")
    bgr = draw_weights(
        build_network(
            small_config("norm=frozen", "img_mean=[30, 20, 10]", "img_std=[4, 2, 1]", "channel_order=BGR")
        )
    )
    weight = rgb.backbone.conv1.weight.asnumpy()
    assert np.abs(weight - weight[:, ::-1]).max() > 0.1
    bgr.backbone.conv1.weight.set_data(Tensor(np.ascontiguousarray(weight[:, ::-1])))
    image = Tensor(rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8))
    got = [level.asnumpy() for level in bgr.features(image)]
    normalised = np.zeros((1, 3, 64, 64), np.float32)
    for channel, (mean, std) in enumerate(((10, 1), (20, 2), (30, 4))):
        normalised[:, channel] = (image.asnumpy()[..., channel].astype(np.float32) - mean) / std
    plain = rgb.fpn(*rgb.backbone(Tensor(normalised)))
    for level, rgb_level, plain_level in zip(got, rgb.features(image), plain):
        assert np.abs(level - rgb_level.asnumpy()).max() < 1e-4 * level.std()
        assert np.abs(level - plain_level.asnumpy()).max() < 1e-4 * level.std()


@pytest.mark.slow
def test_synchronised_norms_of_the_heads_are_batch_norms_on_one_device():
    """The number of their rows depends on the data."""
    batch = small_batch(0)
    figures, gradients = gradient_step(*CPU, "rcnn_norm=sync_bn", "rcnn_mask_norm=sync_bn")(batch)
    want_figures, want_gradients = gradient_step(*CPU, "rcnn_norm=bn", "rcnn_mask_norm=bn")(batch)
    assert figures == pytest.approx(want_figures, rel=1e-4)
    for name, gradient in gradients.items():
        size = np.abs(want_gradients[name]).max()
        np.testing.assert_allclose(gradient, want_gradients[name], rtol=0, atol=1e-3 * size, err_msg=name)


def test_figures_add_up():
    figures, _ = gradient_step(*CPU)(small_batch(0))
    assert figures["rpn_loss"] == pytest.approx(figures["rpn_cls_loss"] + figures["rpn_reg_loss"], rel=1e-6)
    assert figures["rcnn_loss"] == pytest.approx(sum(figures[name] for name in LOSSES[2:]), rel=1e-6)
    assert figures["total_loss"] == pytest.approx(figures["rpn_loss"] + figures["rcnn_loss"], rel=1e-6)


def test_a_step_is_a_function_of_its_batch():
    """No operator keeps a hidden state: the same key gives the same samples, another key others."""
    step = gradient_step(*CPU)
    first, first_gradients = step(small_batch(0, key=(11, 12)))
    again, again_gradients = step(small_batch(0, key=(11, 12)))
    other, _ = step(small_batch(0, key=(13, 14)))
    assert first == again
    assert all((first_gradients[name] == again_gradients[name]).all() for name in first_gradients)
    for name in ("rpn_cls_loss", "rcnn_cls_loss"):
        assert other[name] != first[name]


def test_losses_at_initialisation():
    """ln 4 for equal probabilities of four classes; ln 2 for 1/2 of every mask pixel and every anchor."""
    step = gradient_step(*CPU)
    network = small_network(*CPU)
    drawn = {name: parameter.asnumpy() for name, parameter in network.parameters_and_names()}
    try:
        set_weights(network, initial_weights(*CPU))
        figures, _ = step(small_batch(0))
    finally:
        set_weights(network, drawn)
    assert figures["rcnn_mask_loss"] == pytest.approx(math.log(2), abs=0.02)
    assert figures["rpn_cls_loss"] == pytest.approx(math.log(2), abs=0.1)
    assert figures["rcnn_cls_loss"] == pytest.approx(math.log(4), abs=0.3)


def set_weights(network, values):
    for name, parameter in network.parameters_and_names():
        parameter.set_data(Tensor(values[name]))


@pytest.fixture(scope="module")
def inferred():
    """{form: (boxes, scores, labels, det_valid, masks)} of two pictures, one smaller than its canvas."""
    batch = small_batch(4)
    batch["image_meta"][1] = 80, 100, 0.5, 0.5, 160, 200
    batch["image"][1, 80:] = batch["image"][1, :, 100:] = 0
    detections = {}
    for form, words in (("cpu", CPU), ("ascend", ASCEND)):
        network = small_network(*words).set_train(False)
        outputs = network(Tensor(batch["image"]), Tensor(batch["image_meta"]))
        detections[form] = [part.asnumpy() for part in outputs]
        network.set_train(True)
    return detections


@pytest.mark.parametrize("form", ["cpu", "ascend"])
def test_inference(inferred, form):
    boxes, scores, labels, det_valid, masks = inferred[form]
    assert boxes.shape == (2, 20, 4) and masks.shape == (2, 20, 28, 28)
    assert scores.shape == labels.shape == det_valid.shape == (2, 20)
    assert det_valid.any(1).all()
    for n, (height, width) in enumerate(((SIDE, SIDE), (80, 100))):
        valid = det_valid[n]
        for padded in (boxes, scores, labels, masks):
            assert not padded[n][~valid].any()
        det_boxes, det_scores, det_labels, det_masks = (a[n][valid] for a in (boxes, scores, labels, masks))
        assert (np.diff(det_scores) <= 0).all() and (det_scores > 0.05).all()
        assert set(det_labels) <= {1, 2, 3}
        assert (det_boxes >= 0).all() and (det_boxes <= [width, height, width, height]).all()
        assert ((det_masks >= 0) & (det_masks <= 1)).all() and det_masks.std() > 0.05
        same_class = det_labels[:, None] == det_labels
        overlap = twins.iou(det_boxes, det_boxes) * same_class - np.eye(valid.sum())
        assert overlap.max() <= 0.5 + 1e-3


def test_both_forms_find_the_same(inferred):
    """But for the order of detections of equal scores."""
    for n in range(2):
        ours, theirs = (
            {
                name: array[n][form[3][n]]
                for name, array in zip(("boxes", "scores", "labels", "det_valid", "masks"), form)
            }
            for form in (inferred["cpu"], inferred["ascend"])
        )
        partner = partners(ours, theirs)
        assert len(theirs["boxes"]) == len(partner) and (partner >= 0).all()
        np.testing.assert_allclose(ours["masks"], theirs["masks"][partner], atol=1e-3)
