"""`step_cells.py` for trees from before 2026-11-27, such as e4220e0, whose modules have other names.

From that commit was counted what the launching of a step may cost (docs/performance.md), so
`benchmarks/ascend_host.py` runs it. Nothing else imports this file.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

from src.data.examples import batch_layout
from src.engine.training_step import make_step

from src.config import load_config
from src.engine import device
from src.engine.trainer import BATCH_NAMES
from src.maskrcnn.build import build_network

__all__ = ["BATCH_NAMES", "array_layout", "inference_cell", "settings", "start_card", "training_cell"]


def settings(words, config_file):
    return load_config([*words, "device_target=Ascend"], config_file)


def start_card(config):
    """What `launch.py` takes of a device: the card that is not there."""
    device.ascend_is_here = lambda: True
    started = device.start_device(config)
    return SimpleNamespace(group=contextlib.nullcontext(), rank=started.rank, num=started.num)


def array_layout(config, batch_size):
    """{name: (dtype, shape)} of a batch's arrays."""
    return batch_layout(config, batch_size)


def training_cell(config, started):
    network = build_network(config, "Ascend", config.pre_trained is not None).set_train(True)
    return make_step(config, network, started.num)


def inference_cell(config, exported):
    return build_network(config, "Ascend", exported=exported).set_train(False)
