"""Inference with trained weights: a network from a checkpoint or an exported file."""

from __future__ import annotations

from typing import Mapping, Tuple, Union

import mindspore as ms
import numpy as np
from mindspore import Tensor

from ...config import Config, values_with
from ...maskrcnn.build import build_network
from ...onnx_graph.runtime import OnnxNetwork
from ...weights.checkpoint_file import read_checkpoint
from ...weights.checkpoint_settings import config_from_checkpoint
from ...weights.loading import load_network
from ..runtime.compile_cache import compile_cell
from ..runtime.device import Device
from .detections import Network
from .exported_files import MindirNetwork, runs_on_arrays
from .opening import open_exported, require_mindspore

# What `checkpoint_path` names: the entries of a checkpoint, or an exported file, which is a network already.
Weights = Union[Mapping[str, ms.Parameter], OnnxNetwork, MindirNetwork]


def load_for_inference(config: Config, device_target: str, exported: bool = False) -> Tuple[Network, Config]:
    """The network with the weights of `checkpoint_path`, in evaluation mode.

    Args:
        config: `checkpoint_path` may be an exported file, unless `exported` is set.
        device_target: "CPU" or "Ascend".
        exported: Build the form of the network that is exported to a file.

    Returns:
        (network, the configuration with the settings that the weights carry)
    """
    config, weights = open_checkpoint(config)
    return inference_network(config, weights, device_target, exported), config


def open_checkpoint(config: Config) -> Tuple[Config, Weights]:
    """Read `checkpoint_path`; returns (the configuration with the settings that it carries, its weights).

    Raises:
        ConfigError: `checkpoint_path` is not set, or a setting contradicts the checkpoint's.
        CheckpointError: The file cannot be read.
    """
    require_mindspore(config)
    path = config.checkpoint_path
    exported = open_exported(config)
    if exported is not None:
        network, config = exported
        return config, network
    checkpoint = read_checkpoint(path)
    return config_from_checkpoint(config, checkpoint.settings, path), checkpoint.entries


def inference_network(
    config: Config, weights: Weights, device_target: str, exported: bool = False
) -> Network:
    """The network of `config` in evaluation mode, with weights of `open_checkpoint`."""
    if runs_on_arrays(weights):
        return weights
    network = build_network(config, device_target, loads_weights=True, exported=exported)
    load_network(network, weights, config.checkpoint_path)
    return network.set_train(False)


def compile_inference(network: Network, config: Config, device: Device, batch_size: int) -> None:
    """Compile a network for batches of `batch_size` pictures, or read the graph of an earlier run."""
    if runs_on_arrays(network):
        return
    image = Tensor(np.zeros((batch_size, config.img_height, config.img_width, 3), np.uint8))
    image_meta = Tensor(np.zeros((batch_size, 6), np.float32))
    graph_settings = values_with(config, "in_graph")
    compile_cell(network, (image, image_meta), device, config.compile_cache, graph_settings)
