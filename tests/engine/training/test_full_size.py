"""Every switch of training with networks of full size: the demo's, and behind --all the default one.

A graph grows with the number of trained arrays: the demo's network has 145, the default one 201 from scratch,
and the small network of other tests about 60.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.engine.training.full_size import draw_data, train_two_steps, write_backbone

CLIP_NORM = 1.0
CLIP_VALUE = 0.05
RATE = 0.002
ALL_SWITCHES = (
    "accumulate_steps=2",
    "loss_scale=dynamic",
    f"clip_grad_value={CLIP_VALUE}",
    f"clip_grad_norm={CLIP_NORM}",
    "ema_decay=0.99",
    f"base_lr={RATE}",
)
SGD = ("optimizer=sgd", "weight_decay=0.0001", "clip_grad_norm=null")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return draw_data(tmp_path_factory.mktemp("full_size"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone") / "backbone.ckpt")


@pytest.fixture(scope="module")
def at_rest(data, tmp_path_factory):
    """Two steps with a rate of 0, so that both gradients are those of the first weights.

    With momentum=1 the moments are the sum of both.
    """
    words = (*data, *SGD, "base_lr=0", "momentum=1", "weight_decay=0")
    run = train_two_steps(tmp_path_factory.mktemp("at_rest") / "train", words)
    assert len(run.trained) == 145
    assert not run.moved() & set(run.trained)
    return run


@pytest.fixture(scope="module")
def limited(at_rest):
    """{weight: mean gradient of both batches after both limits}, float64; and the norm before the limits."""
    mean = {name: at_rest.after[f"moments.{name}"].astype(np.float64) / 2 for name in at_rest.trained}
    clipped = {name: value.clip(-CLIP_VALUE, CLIP_VALUE) for name, value in mean.items()}
    norm = norm_of(clipped)
    # Both limits act.
    assert norm_of(mean) > 1.1 * norm > 1.1 * CLIP_NORM
    return {name: value * CLIP_NORM / norm for name, value in clipped.items()}, norm_of(mean)


def norm_of(arrays):
    return np.sqrt(sum((value**2).sum() for value in arrays.values()))


def assert_weights_move(run, but=()):
    """Each weight moves that has a gradient, but for those whose names start with `but`."""
    names = {name for name in run.trained if name.endswith("weight") and not name.startswith(but)}
    assert len(names) > 10
    # From scratch a block's last gamma is 0: at the first update the weights before it have no gradient.
    if not run.before["backbone.layer4.0.bn3.gamma"].any():
        names = {name for name in names if not re.search(r"layer\d\.\d+\.conv\d\.", name)}
    assert names <= run.moved()


def assert_accumulated(run, norm):
    """The figures of two batches and one update; the average of the weights and of the moving statistics."""
    first, second = (step.losses for step in run.steps)
    assert first["gradient_norm"] == 0
    assert second["gradient_norm"] == pytest.approx(norm, rel=1e-4)
    assert all(losses["loss_scale"] == 65536 and losses["skipped"] == 0 for losses in (first, second))
    assert run.after["finite_updates"] == 1 and run.after["accumulated_batches"] == 0
    assert not any(run.after[f"accumulated.{name}"].any() for name in run.trained)
    averaged = [name for name in run.before if f"ema.{name}" in run.before]
    assert set(run.trained) < set(averaged)
    for name in averaged:
        # The first update keeps a tenth: min(decay, (1 + 0) / (10 + 0)).
        expected = 0.1 * run.before[name].astype(np.float64) + 0.9 * run.after[name]
        np.testing.assert_allclose(run.after[f"ema.{name}"], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_all_switches_with_sgd(data, limited, tmp_path):
    """One update: v = the limited mean gradient, w = w - lr * v."""
    gradients, norm = limited
    words = (*data, *SGD, *ALL_SWITCHES, "momentum=0.9", "weight_decay=0")
    run = train_two_steps(tmp_path / "train", words)
    assert_accumulated(run, norm)
    lr = run.steps[1].lr
    for name, gradient in gradients.items():
        atol = 1e-4 * np.abs(gradient).max() + 1e-8
        np.testing.assert_allclose(run.after[f"moments.{name}"], gradient, rtol=0, atol=atol, err_msg=name)
        expected = run.before[name] - lr * run.after[f"moments.{name}"].astype(np.float64)
        np.testing.assert_allclose(run.after[name], expected, rtol=2e-7, atol=1e-9, err_msg=name)
    assert_weights_move(run)


@pytest.mark.slow
def test_all_switches_with_adamw(data, limited, tmp_path):
    """One update: Loshchilov & Hutter 2019 with the form of Kingma & Ba 2015, end of section 2."""
    gradients, norm = limited
    decay = 0.01
    words = (*data, *ALL_SWITCHES, "optimizer=adamw", f"weight_decay={decay}", "decay_biases=False")
    run = train_two_steps(tmp_path / "train", words)
    assert_accumulated(run, norm)
    lr = run.steps[1].lr
    for name, gradient in gradients.items():
        first = run.after[f"adam_first.{name}"].astype(np.float64)
        second = run.after[f"adam_second.{name}"].astype(np.float64)
        atol = 1e-4 * np.abs(gradient).max() + 1e-8
        np.testing.assert_allclose(first, 0.1 * gradient, rtol=0, atol=0.1 * atol, err_msg=name)
        np.testing.assert_allclose(second, 0.001 * (first / 0.1) ** 2, rtol=1e-4, atol=1e-30, err_msg=name)
        own_decay = 0 if name.endswith((".gamma", ".beta", "bias")) else decay
        move = np.sqrt(0.001) / 0.1 * first / (np.sqrt(second) + 1e-8) + own_decay * run.before[name]
        expected = run.before[name] - lr * move
        np.testing.assert_allclose(run.after[name], expected, rtol=1e-5, atol=1e-5 * lr, err_msg=name)
    assert_weights_move(run)


@pytest.mark.slow
def test_a_frozen_network_in_half_precision(data, backbone, tmp_path):
    """Frozen stages of a loaded backbone stay, the other weights move."""
    words = (*data, *SGD, "norm=frozen", "freeze_at=2", f"pre_trained={backbone}", "amp_level=O2")
    words = (*words, "loss_scale=1024", "accumulate_steps=2", "clip_grad_norm=5")
    run = train_two_steps(tmp_path / "train", words)
    assert_weights_move(run)
    stay = {name for name in run.before if name.startswith(("backbone.conv1", "backbone.layer1"))}
    assert stay and not stay & (run.moved() | set(run.trained))
    assert all(step.losses["loss_scale"] == 1024 for step in run.steps)


# ---- behind --all: every switch alone, and other usual combinations

ASCEND_FORM = ("shapes=static", "cpu_kernels=off")
ALONE = {
    "accumulation": ("accumulate_steps=2",),
    "dynamic scale": ("loss_scale=dynamic",),
    "static scale": ("loss_scale=128",),
    "average": ("ema_decay=0.999",),
    "limit of the values": ("clip_grad_norm=null", "clip_grad_value=0.1"),
    "no limit": ("clip_grad_norm=null",),
    "sgd": ("optimizer=sgd",),
    "sgd without momentum and decay": ("optimizer=sgd", "momentum=0", "weight_decay=0"),
    "sgd without decay of biases": ("optimizer=sgd", "decay_biases=False"),
    "O2": ("amp_level=O2",),
    "O3": ("amp_level=O3", "norm=gn"),
    "float16": ("compute_type=float16",),
    "gn": ("norm=gn", "fpn_norm=gn"),
    "sync_bn": ("norm=sync_bn", "fpn_norm=sync_bn", "rcnn_norm=sync_bn", "rcnn_mask_norm=sync_bn"),
    "no norms but the backbone's": ("fpn_norm=none", "rcnn_norm=none", "rcnn_mask_norm=none"),
    "no mask loss": ("rcnn_loss_mask_fb_weight=0",),
    "static shapes": ("shapes=static",),
    "MindSpore's operators": ("cpu_kernels=off",),
    "softmax objectness": ("use_sigmoid_cls=False",),
    "all positives to the masks": ("num_mask_rois=null",),
    "adaptive sampling": ("roi_layer={type: RoIAlign, out_size: 7, mask_out_size: 14, sample_num: 0}",),
    "one NMS": ("rpn_proposal_nms_across_levels=True", "rpn_proposal_min_bbox_size=4"),
    "repeated pictures": ("repeat_factor_threshold=0.9",),
    "mask loss off, box head of two layers": (
        "rcnn_loss_mask_fb_weight=0",
        "rcnn_num_convs=0",
        "rcnn_num_layers=2",
        "accumulate_steps=2",
        "ema_decay=0.99",
    ),
}
TOGETHER = {
    "Ascend": (*ASCEND_FORM, "amp_level=O2", *ALL_SWITCHES[:1], "loss_scale=1024", *ALL_SWITCHES[2:]),
    "Ascend, SGD": (*ASCEND_FORM, "amp_level=O3", "norm=sync_bn", "optimizer=sgd", "loss_scale=1024"),
    "schedule": ("lr_schedule=multi_step", "base_batch=16", "accumulate_steps=2", "clip_grad_value=1"),
    "gn": (*ALL_SWITCHES, "norm=gn", "fpn_norm=gn"),
    "no mask loss": (*ALL_SWITCHES, "rcnn_loss_mask_fb_weight=0"),
    "stride in 1x1": (*ALL_SWITCHES, "stride_in_1x1=True", "anchor_round=True", "roi_align_aligned=False"),
}
LOADED = {
    "recipe finetune": ("freeze_at=2", "optimizer=sgd", "clip_grad_norm=35", "ema_decay=0.999"),
    "nothing frozen": (*ALL_SWITCHES, "freeze_at=0"),
    "whole trunk frozen": (*ALL_SWITCHES, "freeze_at=5"),
    "norms not folded": (*ALL_SWITCHES, "freeze_at=2", "fold_norms=False"),
    "bn, two stages frozen": (*ALL_SWITCHES, "freeze_at=2", "norm=bn"),
    "static, O2": (*ASCEND_FORM, "amp_level=O2", "loss_scale=1024", "accumulate_steps=2", "freeze_at=2"),
}


def cases(words_of):
    return pytest.mark.parametrize("words", list(words_of.values()), ids=list(words_of))


@pytest.mark.slow
@cases({**ALONE, **{f"together: {name}": words for name, words in TOGETHER.items()}})
def test_from_scratch(data, tmp_path, words):
    run = train_two_steps(tmp_path / "train", (*data, *words))
    assert_weights_move(run, "mask_head." if "rcnn_loss_mask_fb_weight=0" in words else ())


@pytest.mark.slow
@cases(LOADED)
def test_from_a_file(data, backbone, tmp_path, words):
    norm = () if "norm=bn" in words else ("norm=frozen",)
    run = train_two_steps(tmp_path / "train", (*data, f"pre_trained={backbone}", *norm, *words))
    assert_weights_move(run)


DEFAULT_NETWORK = (
    "img_height=256",
    "img_width=256",
    "coco_classes=auto",
    "batch_size=2",
    "max_instance_count=32",
    "rpn_proposal_nms_pre=200",
    "rpn_proposal_nms_post=200",
    "rpn_proposal_max_num=200",
)


@pytest.mark.slow
@pytest.mark.parametrize(("blocks", "arrays"), [("[3, 4, 6, 3]", 201), ("[3, 8, 36, 3]", 507)])
def test_the_default_network_with_all_switches(data, tmp_path, blocks, arrays):
    """The default network from scratch, and with ResNet-152's number of blocks (He et al. 2016, table 1)."""
    words = (*data, *DEFAULT_NETWORK, *ALL_SWITCHES, f"resnet_block={blocks}")
    run = train_two_steps(tmp_path / "train", words, config_file=None)
    assert len(run.trained) == arrays
    assert_weights_move(run)
