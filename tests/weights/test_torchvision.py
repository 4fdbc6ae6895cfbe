"""torchvision's names: every parameter of the network has one, under the old spelling and the new."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import load_config
from src.maskrcnn.build import build_network
from src.weights.torchvision import from_torchvision, project_name
from tests.reference.make_parity import REFERENCE


@pytest.fixture(scope="module")
def ours():
    """{name: shape} of the default network."""
    return {
        name: tuple(parameter.shape)
        for name, parameter in build_network(load_config(["norm=frozen"])).parameters_and_names()
    }


def test_every_entry_of_torchvisions_model_has_its_own_place(ours):
    names = [str(name) for name in np.load(REFERENCE)["names"]]
    places = [project_name(name) for name in names]
    assert len(set(places)) == len(names) == 307 and set(places) == set(ours)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("backbone.body.conv1.weight", "backbone.conv1.weight"),
        ("backbone.body.bn1.running_var", "backbone.bn1.moving_variance"),
        ("backbone.body.layer2.0.downsample.0.weight", "backbone.layer2.0.down_sample.0.weight"),
        ("backbone.body.layer2.0.downsample.1.bias", "backbone.layer2.0.down_sample.1.beta"),
        ("backbone.body.layer4.2.bn3.weight", "backbone.layer4.2.bn3.gamma"),
        ("backbone.fpn.inner_blocks.0.0.weight", "fpn.lateral.0.weight"),
        ("backbone.fpn.inner_blocks.0.weight", "fpn.lateral.0.weight"),
        ("backbone.fpn.layer_blocks.3.0.bias", "fpn.output.3.bias"),
        ("backbone.fpn.layer_blocks.3.bias", "fpn.output.3.bias"),
        ("rpn.head.conv.0.0.weight", "rpn.conv.weight"),
        ("rpn.head.conv.weight", "rpn.conv.weight"),
        ("rpn.head.cls_logits.bias", "rpn.cls.bias"),
        ("rpn.head.bbox_pred.weight", "rpn.reg.weight"),
        ("roi_heads.box_head.fc6.weight", "box_head.fc.0.weight"),
        ("roi_heads.box_head.fc7.bias", "box_head.fc.1.bias"),
        ("roi_heads.box_predictor.cls_score.weight", "box_head.cls.weight"),
        ("roi_heads.mask_head.0.0.weight", "mask_head.conv.0.weight"),
        ("roi_heads.mask_head.mask_fcn4.bias", "mask_head.conv.3.bias"),
        ("roi_heads.mask_predictor.conv5_mask.weight", "mask_head.up_weight"),
        ("roi_heads.mask_predictor.mask_fcn_logits.bias", "mask_head.logits_bias"),
        ("backbone.body.bn1.num_batches_tracked", None),
        ("optimizer.state", None),
    ],
)
def test_names(ours, theirs, expected):
    if expected is not None:
        assert expected in ours
    assert project_name(theirs) == expected


def test_the_mask_logits_are_a_matrix_here(ours):
    array = np.random.default_rng(0).normal(size=(81, 256, 1, 1))
    got = from_torchvision(
        {
            "roi_heads.mask_predictor.mask_fcn_logits.weight": array,
            "backbone.body.bn1.num_batches_tracked": np.zeros(()),
        }
    )
    assert (
        list(got) == ["mask_head.logits_weight"]
        and got["mask_head.logits_weight"].shape == ours["mask_head.logits_weight"]
    )
    np.testing.assert_array_equal(got["mask_head.logits_weight"], array[:, :, 0, 0])
