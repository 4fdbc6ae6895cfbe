"""What `launch.py` launches, of this tree and of those since 2026-11-27."""

from __future__ import annotations

import os
import sys

from src.config import load_config
from src.data.pipeline.training_example import batch_layout
from src.engine.runtime import device
from src.engine.train_setup import BATCH_NAMES, new_network
from src.engine.training.build_step import make_step
from src.maskrcnn.build import build_network
from tests.ascend.card import pretend

try:
    from src.data_settings import example_settings
except ImportError:  # in a tree of an older commit parts take the whole configuration

    def example_settings(config):
        return config


__all__ = ["BATCH_NAMES", "array_layout", "inference_cell", "settings", "start_card", "training_cell"]

# MindSpore's names of the chips that `STANDIN_SOC` names.
SOC_VERSIONS = {"Ascend910A": "ascend910", "Ascend910B2": "ascend910b"}


def settings(words, config_file):
    return load_config(words, config_file)


def start_card(config):
    """The `Device`: the card that is not there."""
    pretend()
    limits = sys.modules.get("src.device_limits")  # not in older commits
    if limits is not None:  # at a simulation level MindSpore has no name of the chip
        limits.soc_version = lambda: SOC_VERSIONS[os.environ["STANDIN_SOC"]]
    return device.start_device("Ascend")


def array_layout(config, batch_size):
    """{name: (dtype, shape)} of a batch's arrays."""
    return batch_layout(example_settings(config), batch_size)


def training_cell(config, started):
    network = new_network(config, started, config.pre_trained is not None).set_train(True)
    return make_step(config, network, started.num)


def inference_cell(config, exported):
    return build_network(config, "Ascend", exported=exported).set_train(False)
