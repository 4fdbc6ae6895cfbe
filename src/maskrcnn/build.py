"""Build the network for a device: for training, evaluation, export, the hub and the tests.

What the device decides is resolved here; `from_config.py` hands the other settings to the network's parts.
"""

from __future__ import annotations

from typing import Set

import mindspore as ms
from mindspore import nn

from ..config import Config
from ..device_limits import check_device_limits, uses_graph_engine, uses_matrix_nms
from ..errors import ConfigError
from .from_config import make_mask_rcnn
from .layers import Conv, convolution_at_once
from .mask_rcnn_r50 import MaskRcnn
from .norms import BatchNorm, GroupNorm, SyncBatchNorm, compose_group_norms
from .ops.gather import split_with_size
from .ops.nms import NMS
from .proposal_generator import ProposalGenerator


def norm_kind(config: Config, loads_weights: bool) -> str:
    """'frozen', 'bn', 'sync_bn' or 'gn': the norm of the backbone, with norm=auto resolved."""
    if config.norm != "auto":
        return config.norm
    return "frozen" if loads_weights else "bn"


def norm_kinds(config: Config, backbone_norm: str) -> Set[str]:
    """The kinds of norm in a network: its backbone's (`norm_kind`), and those of pyramid and heads."""
    kinds = {backbone_norm, config.fpn_norm, config.rcnn_mask_norm}
    if config.rcnn_num_convs:
        kinds.add(config.rcnn_norm)
    return kinds


def build_network(
    config: Config, device: str = "CPU", loads_weights: bool = False, exported: bool = False
) -> MaskRcnn:
    """Build the network, in training mode until `set_train(False)`.

    Args:
        config: The configuration.
        device: 'CPU' or 'Ascend'.
        loads_weights: Whether weights will be loaded into it. Then norm=auto is frozen and `freeze_at`
            applies; a network from scratch has no frozen stage.
        exported: Whether the network is for a file: with static shapes and MindSpore's own operators only.

    Raises:
        ConfigError: The settings need a CPU kernel, and the network has none; or more than the device has.
    """
    check_device_limits(config, device)
    on_cpu = device == "CPU"
    kernels = config.cpu_kernels == "on" or config.cpu_kernels == "auto" and on_cpu
    shapes = config.shapes
    if shapes == "auto":
        shapes = "dynamic" if on_cpu else "static"
    dtype = config.compute_type
    if dtype == "auto":
        dtype = "float32" if on_cpu else "float16"
    if exported:
        shapes = "static"
        kernels = False
    if config.roi_layer["sample_num"] == 0 and not kernels:
        raise ConfigError(
            "roi_layer.sample_num=0 (as many samples as a pooled cell is cells wide): only the CPU's kernel "
            "computes that, MindSpore's operator and exported files do not; write a number, such as 2"
        )
    network = make_mask_rcnn(
        config,
        norm=norm_kind(config, loads_weights),
        freeze_at=config.freeze_at if loads_weights else 0,
        dynamic=shapes == "dynamic",
        kernels=kernels,
        dtype=getattr(ms, dtype),
        matrix_nms=uses_matrix_nms(config, device),
    )
    if config.amp_level == "O3":
        for _, cell in network.cells_and_names():
            if isinstance(cell, (GroupNorm, SyncBatchNorm)):
                cell.map_dtype = ms.float16
    if device == "Ascend" and uses_graph_engine():
        compose_group_norms(network)
    return network


def use_few_operators(network: nn.Cell) -> None:
    """Have a network trained with fewer operators, which Ascend has at jit levels O0 and O1 alone."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, Conv):
            # The one operator for all gradients would compute the input's where nobody needs it.
            if cell.has_input_gradient:
                cell.convolution = convolution_at_once
        elif isinstance(cell, BatchNorm):
            cell.is_at_once = True
            cell.gamma_type = cell.beta_type = ms.float32
        elif isinstance(cell, (NMS, ProposalGenerator)):
            cell.split = split_with_size
