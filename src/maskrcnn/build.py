"""The one builder that training, evaluation, export, the hub and the tests share."""

from __future__ import annotations

import mindspore as ms

from ..errors import ConfigError
from .layers import GroupNorm, SyncBatchNorm
from .mask_rcnn_r50 import MaskRcnn


def norm_kind(config, loads_weights):
    """'frozen', 'bn', 'sync_bn' or 'gn': what norm=auto means here."""
    return config.norm if config.norm != "auto" else "frozen" if loads_weights else "bn"


def build_network(config, device="CPU", loads_weights=False, exported=False):
    """The network that `config` describes, for `device` ('CPU' or 'Ascend'), in training mode until `set_train(False)`.

    `loads_weights`: weights will be loaded into it, so norm=auto is frozen and `freeze_at` applies (from scratch nothing may be fixed).
    `exported`: the form that goes to a file: static shapes and MindSpore's own operators only.
    """
    on_cpu = device == "CPU"
    norm = norm_kind(config, loads_weights)
    freeze_at = config.freeze_at if loads_weights else 0
    shapes = config.shapes if config.shapes != "auto" else "dynamic" if on_cpu else "static"
    kernels = config.cpu_kernels == "on" or config.cpu_kernels == "auto" and on_cpu
    dtype = config.compute_type if config.compute_type != "auto" else "float32" if on_cpu else "float16"
    if exported:
        shapes, kernels = "static", False
    if config.roi_layer["sample_num"] == 0 and not kernels:
        raise ConfigError(
            "roi_layer.sample_num=0 (as many samples as a pooled cell is cells wide): only the CPU's kernel computes that, MindSpore's "
            "operator and exported files do not; write a number, such as 2"
        )
    network = MaskRcnn(config, norm, freeze_at, shapes == "dynamic", kernels, getattr(ms, dtype))
    if config.amp_level == "O3":
        for _, cell in network.cells_and_names():
            if isinstance(cell, (GroupNorm, SyncBatchNorm)):
                cell.wide = ms.float16
    return network
