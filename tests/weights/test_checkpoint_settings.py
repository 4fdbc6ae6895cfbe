"""A checkpoint's settings and a configuration that contradicts them."""

from __future__ import annotations

import json

import pytest

from src.config import load_config
from src.errors import ConfigError
from src.weights.checkpoint_settings import config_from_checkpoint, network_settings


def trained_config():
    return load_config(["img_mean=[1,2,3]", "coco_classes=[background, cat]"])


def test_settings_contradiction_names_both():
    settings = json.loads(json.dumps(network_settings(trained_config(), "bn")))
    with pytest.raises(
        ConfigError,
        match=r"img_mean=\[4.0, 5.0, 6.0\] contradicts old.ckpt.*\[1, 2, 3\]"
        r"|img_mean.*old.ckpt.*1.0, 2.0, 3.0",
    ):
        config_from_checkpoint(load_config(["img_mean=[4,5,6]"]), settings, "old.ckpt")


def test_the_canvas_may_be_changed():
    settings = json.loads(json.dumps(network_settings(trained_config(), "bn")))
    assert config_from_checkpoint(
        load_config(["img_height=256", "img_width=256"]), settings, "x.ckpt"
    ).feature_shapes[0] == (64, 64)
