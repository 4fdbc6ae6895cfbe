"""Derived keys, and what contradicts them."""

from __future__ import annotations

import pytest

from src.config import load_config
from tests.settings.failure import failure


def test_shapes_follow_the_canvas():
    config = load_config(["img_width=384", "img_height=320"])
    # P2..P6 have strides 4..64: ceil(320/64) = 5, ceil(384/64) = 6
    assert config.feature_shapes == ((80, 96), (40, 48), (20, 24), (10, 12), (5, 6))
    assert config.num_bboxes == 3 * (80 * 96 + 40 * 48 + 20 * 24 + 10 * 12 + 5 * 6)


def test_the_coarsest_level_rounds_up():
    assert load_config(["img_width=96", "img_height=96"]).feature_shapes[-1] == (2, 2)  # 96 / 64 = 1.5


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["anchor_scales=[4, 8]"], "num_anchors", 6),
        (["anchor_ratios=[1.0]"], "num_bboxes", 245520 // 3),
        (["max_instance_count=20"], "num_gts", 20),
        (["num_expected_pos_stage2=16", "num_expected_neg_stage2=64"], "roi_sample_num", 80),
        (["rpn_proposal_max_num=300"], "num_bboxes_stage2", 300),
        (["resnet_out_channels=[64, 128, 256, 512]"], "fpn_in_channels", (64, 128, 256, 512)),
        (["resnet_out_channels=[64, 128, 256, 512]"], "resnet_in_channels", (64, 64, 128, 256)),
        (["fpn_out_channels=64"], "rpn_in_channels", 64),
        (["fpn_out_channels=64"], "roi_align_out_channels", 64),
        (["fpn_out_channels=64"], "rcnn_in_channels", 64),
        (["use_sigmoid_cls=False"], "rpn_cls_out_channels", 2),
        (["coco_classes=[background, cell]"], "num_classes", 2),
    ],
)
def test_derived_keys_follow(words, name, value):
    assert load_config(words)[name] == value


def test_a_derived_key_may_be_written_if_it_agrees():
    assert (
        load_config(["img_width=640", "img_height=640", "num_bboxes=102300", "num_gts=128"]).num_bboxes
        == 102300
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["num_bboxes=7"], ("num_bboxes=7", "245520")),
        (["num_gts=64"], ("num_gts=64", "max_instance_count")),
        (["num_classes=4"], ("num_classes=4", "coco_classes", "81")),
        (["mask_shape=[14, 14]"], ("mask_shape=[14, 14]", "roi_layer", "[28, 28]")),
        (["feature_shapes=[[1, 2]]"], ("feature_shapes", "img_height")),
        (["rpn_in_channels=128"], ("rpn_in_channels=128", "fpn_out_channels=256")),
        (["rpn_cls_out_channels=2"], ("rpn_cls_out_channels=2", "use_sigmoid_cls=True")),
    ],
)
def test_a_contradiction_names_both_keys(words, names):
    text = failure(*words)
    assert all(name in text for name in names), text
