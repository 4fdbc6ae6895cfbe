"""`step_cells.py` for trees from before 2026-11-27, such as e4220e0, whose modules have other names.

From that commit was counted what the launching of a step may cost (docs/performance.md), so
`benchmarks/ascend_host.py` runs it. Nothing else imports this file.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
from mindspore import Tensor
from src.data.examples import batch_layout
from src.engine.training_step import make_step

from src.config import load_config
from src.engine import device
from src.engine.trainer import BATCH_NAMES
from src.maskrcnn.build import build_network


def settings(words, config_file):
    return load_config([*words, "device_target=Ascend"], config_file)


def start_card(config):
    """What `launch.py` takes of a device: the card that is not there."""
    device.ascend_is_here = lambda: True
    started = device.start_device(config)
    return SimpleNamespace(group=contextlib.nullcontext(), rank=started.rank, num=started.num)


def make_graph(graph, config, started):
    """(cell, its inputs): zeros of the shapes that a batch has."""
    training = graph == "training"
    layout = batch_layout(config, config.batch_size if training else config.test_batch_size)
    arrays = {name: np.zeros(shape, kind) for name, (kind, shape) in layout.items()}
    height = config.img_height
    width = config.img_width
    arrays["image_meta"][:] = (height, width, 1, 1, height, width)
    if training:
        network = build_network(config, "Ascend", config.pre_trained is not None).set_train(True)
        cell = make_step(config, network, started.num)
        inputs = [np.float32(0), *(arrays[name] for name in BATCH_NAMES)]
    else:
        cell = build_network(config, "Ascend", exported=graph == "exported").set_train(False)
        inputs = [arrays["image"], arrays["image_meta"]]
    return cell, [Tensor(array) for array in inputs]
