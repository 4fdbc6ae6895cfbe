"""The whole network, small: static against data-dependent shapes, pictures without objects, inference, a step's randomness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mindspore import Tensor

from src.maskrcnn.build import build_network
from tests.maskrcnn import twins
from tests.parity_table import partners
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
    (ours, gradients), (theirs, expected) = gradient_step(*CPU)(batch), gradient_step(*ASCEND)(batch)
    for name in LOSSES:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), name
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        size = np.sqrt((expected[name].astype(np.float64) ** 2).mean())
        assert np.abs(gradient - expected[name]).max() <= 5e-3 * size + 1e-6, name
    return ours, gradients


@pytest.mark.parametrize(("objects", "seed"), [((3, 5), 0), ((8, 1), 1), ((0, 4), 2)])
def test_the_ascend_form_computes_what_the_cpu_form_computes(objects, seed):
    """Padded slots and MindSpore's operators against real rows and compiled kernels: losses and every gradient."""
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


def test_channels_in_bgr_are_those_of_rgb_turned_round(rng):
    """BGR weights, whose first convolution has its input channels turned, and statistics in BGR: the same features of the same picture."""
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
    picture = np.zeros((1, 3, 64, 64), np.float32)
    for channel, (mean, std) in enumerate(((10, 1), (20, 2), (30, 4))):
        picture[:, channel] = (image.asnumpy()[..., channel].astype(np.float32) - mean) / std
    for ours, theirs, plain in zip(got, rgb.features(image), rgb.fpn(*rgb.backbone(Tensor(picture)))):
        assert (
            np.abs(ours - theirs.asnumpy()).max() < 1e-4 * ours.std()
            and np.abs(ours - plain.asnumpy()).max() < 1e-4 * ours.std()
        )


def test_figures_add_up():
    figures, _ = gradient_step(*CPU)(small_batch(0))
    assert figures["rpn_loss"] == pytest.approx(figures["rpn_cls_loss"] + figures["rpn_reg_loss"], rel=1e-6)
    assert figures["rcnn_loss"] == pytest.approx(sum(figures[name] for name in LOSSES[2:]), rel=1e-6)
    assert figures["total_loss"] == pytest.approx(figures["rpn_loss"] + figures["rcnn_loss"], rel=1e-6)


def test_a_step_is_a_function_of_its_batch():
    """No operator keeps a hidden state: the same key gives the same samples, another key others."""
    step = gradient_step(*CPU)
    (first, a), (again, b), (other, _) = (
        step(small_batch(0, key=key)) for key in ((11, 12), (11, 12), (13, 14))
    )
    assert first == again and all((a[name] == b[name]).all() for name in a)
    assert other["rpn_cls_loss"] != first["rpn_cls_loss"] and other["rcnn_cls_loss"] != first["rcnn_cls_loss"]


def test_losses_at_initialisation():
    """Undecided between the four classes, and for every mask pixel and every anchor: ln 4, ln 2 and ln 2."""
    step, network = gradient_step(*CPU), small_network(*CPU)
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
    """Inference of two pictures, the second smaller than its canvas, by both forms: {form: (boxes, scores, labels, found, masks)}."""
    batch = small_batch(4)
    batch["image_meta"][1] = 80, 100, 0.5, 0.5, 160, 200
    batch["image"][1, 80:] = batch["image"][1, :, 100:] = 0
    answers = {}
    for form, words in (("cpu", CPU), ("ascend", ASCEND)):
        network = small_network(*words).set_train(False)
        answers[form] = [
            part.asnumpy() for part in network(Tensor(batch["image"]), Tensor(batch["image_meta"]))
        ]
        network.set_train(True)
    return answers


@pytest.mark.parametrize("form", ["cpu", "ascend"])
def test_inference(inferred, form):
    boxes, scores, labels, found, masks = inferred[form]
    assert (
        boxes.shape == (2, 20, 4)
        and masks.shape == (2, 20, 28, 28)
        and scores.shape == labels.shape == found.shape == (2, 20)
    )
    assert found.any(1).all()
    for n, (height, width) in enumerate(((SIDE, SIDE), (80, 100))):
        kept = found[n]
        assert (
            (np.diff(scores[n][kept]) <= 0).all()
            and (scores[n][kept] > 0.05).all()
            and set(labels[n][kept]) <= {1, 2, 3}
        )
        assert (boxes[n][kept] >= 0).all() and (boxes[n][kept] <= [width, height, width, height]).all()
        assert ((masks[n][kept] >= 0) & (masks[n][kept] <= 1)).all() and masks[n][kept].std() > 0.05
        overlap = twins.iou(boxes[n][kept], boxes[n][kept]) * (
            labels[n][kept][:, None] == labels[n][kept]
        ) - np.eye(kept.sum())
        assert overlap.max() <= 0.5 + 1e-3
        for padding in (boxes, scores, labels, masks):
            assert not padding[n][~kept].any()


def test_both_forms_find_the_same(inferred):
    """But for the order of detections of equal scores."""
    for n in range(2):
        ours, theirs = (
            {
                name: array[n][form[3][n]]
                for name, array in zip(("boxes", "scores", "labels", "found", "masks"), form)
            }
            for form in (inferred["cpu"], inferred["ascend"])
        )
        chosen = partners(ours, theirs)
        assert len(theirs["boxes"]) == len(chosen) and (chosen >= 0).all()
        np.testing.assert_allclose(ours["masks"], theirs["masks"][chosen], atol=1e-3)
