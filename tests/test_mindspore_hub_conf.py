"""MindSpore Hub's interface."""

from __future__ import annotations

import pytest

from mindspore_hub_conf import create_network


def test_create_network():
    network = create_network(
        "maskrcnn",
        num_classes=3,
        coco_classes=("background", "cat", "dog"),
        resnet_block=(1, 1, 1, 1),
        img_height=128,
        img_width=128,
    )
    assert network.box_head.cls.weight.shape == (3, 1024) and not network.training


def test_another_name_is_refused():
    with pytest.raises(NotImplementedError, match="maskrcnn"):
        create_network("yolo")
