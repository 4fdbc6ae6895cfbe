"""Other projects' files to this project's entries: equal tensors, class rows, and settings."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import COCO_CLASSES, load_config
from src.weights.convert import convert_weights
from tests.reference.make_parity import REFERENCE
from tests.weights import foreign
from tests.weights.conversion import assert_same, backbone, expected, fails, without_background, write


def test_the_drawn_names_and_shapes_are_torchvisions():
    """The table of this test folder, at R50's size, has the 307 names of the reference."""
    shapes = foreign.torchvision_shapes((3, 4, 6, 3), (256, 512, 1024, 2048), 64, 256, 256, 1024, 256)
    assert sorted(shapes) == sorted(str(name) for name in np.load(REFERENCE)["names"])


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".pkl", ".ckpt"])
def test_torchvision_from_every_kind_of_file(tmp_path, state, suffix):
    weights = convert_weights(write(tmp_path / f"model{suffix}", state), load_config())
    assert_same(weights.entries, expected(state))
    assert weights.is_whole_model and weights.description.startswith(
        "torchvision, a whole model with 80 classes"
    )
    config = weights.config
    assert (config.roi_align_aligned, config.anchor_round, config.norm_eps, config.norm) == (
        False,
        True,
        1e-5,
        "frozen",
    )
    assert (config.resize, config.resize_short, config.resize_long, config.channel_order) == (
        "short_side",
        800,
        1333,
        "RGB",
    )
    assert (config.img_height, config.img_width, config.padding) == (1344, 1344, "mean")
    assert (config.resnet_block, config.fpn_out_channels, config.rcnn_fc_out_channels) == (
        (2, 1, 1, 1),
        32,
        24,
    )


def test_torchvisions_older_spelling_and_a_training_programs_wrappings(tmp_path, state):
    old = {f"module.{name}": array for name, array in foreign.renamed(state, foreign.TORCHVISION_OLD).items()}
    old["module.backbone.body.bn1.num_batches_tracked"] = np.int64(3).reshape(())
    assert_same(
        convert_weights(
            write(tmp_path / "old.pth", old, epoch=3, optimizer={"state": {}, "lr": 0.1}), load_config()
        ).entries,
        expected(state),
    )


def test_of_91_category_ids_the_81_classes_that_coco_uses_are_kept(tmp_path):
    state = foreign.draw(foreign.torchvision_shapes(classes=91))
    weights = convert_weights(write(tmp_path / "coco.pth", state), load_config())
    used = [i for i in range(91) if i not in foreign.COCO_UNUSED]
    for name, array in expected(state).items():
        if name in (
            "box_head.cls.weight",
            "box_head.cls.bias",
            "mask_head.logits_weight",
            "mask_head.logits_bias",
        ):
            array = array[used]
        elif name.startswith("box_head.reg"):
            array = array.reshape(91, 4, -1)[used].reshape(324, *array.shape[1:])
        np.testing.assert_array_equal(weights.entries[name], array, err_msg=name)
    assert weights.config.norm_eps == 0 and weights.config.coco_classes == COCO_CLASSES
    # 1 person, 13 stop sign, 90 toothbrush (COCO's annotation files)
    scores = state["roi_heads.box_predictor.cls_score.weight"]
    for name, category in (("person", 1), ("stop sign", 13), ("toothbrush", 90)):
        np.testing.assert_array_equal(
            weights.entries["box_head.cls.weight"][COCO_CLASSES.index(name)], scores[category]
        )


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_detectron2(tmp_path, state, suffix):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    theirs.update(
        {
            f"proposal_generator.anchor_generator.cell_anchors.{i}": np.zeros((3, 4), np.float32)
            for i in range(5)
        }
    )
    weights = convert_weights(write(tmp_path / f"model_final{suffix}", theirs), load_config())
    assert_same(weights.entries, without_background(expected(state)))
    config = weights.config
    assert weights.description.startswith("detectron2, a whole model with 80 classes")
    assert (config.channel_order, config.img_mean, config.img_std) == (
        "BGR",
        (103.53, 116.28, 123.675),
        (1.0, 1.0, 1.0),
    )
    assert (config.stride_in_1x1, config.roi_align_aligned, config.anchor_round, config.norm_eps) == (
        True,
        True,
        False,
        1e-5,
    )


def test_detectron2s_pixel_statistics_and_the_users_settings_win(tmp_path, state):
    theirs = foreign.renamed(foreign.background_last(state), foreign.DETECTRON2)
    theirs.update(
        pixel_mean=np.float32([123.675, 116.28, 103.53]).reshape(3, 1, 1),
        pixel_std=np.float32([58.395, 57.12, 57.375]).reshape(3, 1, 1),
    )
    config = convert_weights(
        write(tmp_path / "r50.pkl", theirs),
        load_config(["channel_order=RGB", "stride_in_1x1=False", "roi_layer={sample_num: 0}"]),
    ).config
    assert config.roi_layer["sample_num"] == 0 and config.roi_layer["out_size"] == 7
    assert config.img_mean == pytest.approx((123.675, 116.28, 103.53)) and config.img_std == pytest.approx(
        (58.395, 57.12, 57.375)
    )
    assert (config.channel_order, config.stride_in_1x1) == ("RGB", False)


CAFFE = (
    "model = dict(backbone=dict(style='caffe'))\n"
    "img_norm_cfg = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False)"
)


PYTORCH = (
    "model = dict(backbone=dict(style='pytorch'), data_preprocessor=dict("
    "mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True))"
)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (CAFFE, ("BGR", (103.53, 116.28, 123.675), (1.0, 1.0, 1.0), True)),
        (PYTORCH, ("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False)),
        (None, ("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False)),
    ],
)
def test_mmdetection(tmp_path, state, text, settings):
    theirs = foreign.renamed(foreign.background_last(state), foreign.MMDET)
    meta = {"CLASSES": tuple(f"c{i}" for i in range(80))} if text == CAFFE else {}
    weights = convert_weights(
        write(tmp_path / "mask_rcnn.pth", theirs, meta={**meta, **({"config": text} if text else {})}),
        load_config(),
    )
    assert_same(weights.entries, without_background(expected(state)))
    config = weights.config
    assert (config.channel_order, config.img_mean, config.img_std, config.stride_in_1x1) == settings
    assert config.roi_align_aligned and not config.anchor_round
    assert config.coco_classes == (("background", *meta["CLASSES"]) if meta else COCO_CLASSES)


@pytest.mark.parametrize(
    ("project", "suffix", "eps"),
    [
        ("mindcv", ".ckpt", 1e-5),
        ("modelzoo", ".ckpt", 1e-4),
        ("torchvision", ".pth", 1e-5),
        ("torchvision", ".safetensors", 1e-5),
    ],
)
def test_backbones(tmp_path, state, project, suffix, eps):
    if project == "torchvision":
        theirs = {
            **foreign.renamed(state, foreign.TORCHVISION_RESNET),
            "fc.weight": np.zeros((10, 64), np.float32),
            "fc.bias": np.zeros(10, np.float32),
        }
    else:
        theirs = {
            **foreign.mindspore_classifier(state, project),
            "moments.conv1.weight": np.zeros(3, np.float32),
        }
    weights = convert_weights(write(tmp_path / f"resnet50{suffix}", theirs), load_config())
    assert_same(weights.entries, backbone(expected(state)))
    assert not weights.is_whole_model and weights.config.norm_eps == eps and weights.config.resize == "fit"
    assert ("pad_mode 'same'" in weights.caution) == (project == "modelzoo")


def test_a_named_scheme_is_not_guessed_about(tmp_path, state):
    path = write(tmp_path / "model.pkl", state)
    assert_same(convert_weights(path, load_config(), "torchvision").entries, expected(state))
    fails(lambda: convert_weights(path, load_config(), "detectron2"), "without a place", "detectron2's names")
