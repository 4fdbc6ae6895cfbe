"""Weights of any kind, opened and ready to run. An ONNX file is opened without MindSpore."""

from __future__ import annotations

from typing import Optional, Tuple, Union

from ...config import Config
from ...errors import ConfigError
from ...interpreter import TRAINING_MODULES, modules_problem
from ...onnx_graph.runtime import EXPORTED_KEYS, OnnxNetwork, is_onnx
from ...weights.checkpoint_settings import config_from_checkpoint
from .detections import Network
from .exported_files import MindirNetwork, is_mindir


def open_exported(config: Config) -> Optional[Tuple[Union[OnnxNetwork, MindirNetwork], Config]]:
    """The network of `checkpoint_path` where it is an exported file; None where it is none.

    Returns:
        (the network, the configuration with the settings that the file carries)

    Raises:
        ConfigError: A setting contradicts the file's.
        CheckpointError: The file cannot be read.
    """
    path = config.checkpoint_path
    if not (is_onnx(path) or is_mindir(path)):
        return None
    network = OnnxNetwork(path) if is_onnx(path) else MindirNetwork(path)
    return network, config_from_checkpoint(config, network.settings, path, exported_keys=EXPORTED_KEYS)


def open_network(config: Config, batch_size: int = 1) -> Tuple[Network, Config]:
    """The network of `checkpoint_path`, compiled for batches of `batch_size` pictures.

    Args:
        config: `checkpoint_path` is a checkpoint, or an exported MINDIR or ONNX file. All but an ONNX file
            run on `device_target`.
        batch_size: Pictures a call.

    Returns:
        (network, the configuration with the settings that the file carries)

    Raises:
        ConfigError: `checkpoint_path` is not set, a setting contradicts the file's, or the device is not
            there.
        CheckpointError: The file cannot be read.
    """
    if is_onnx(config.checkpoint_path):
        return open_exported(config)
    require_mindspore(config)
    from ..runtime.device import start_device
    from .loading import compile_inference, load_for_inference

    device = start_device(config.device_target, config.jit_level)
    network, config = load_for_inference(config, device.target)
    compile_inference(network, config, device, batch_size)
    return network, config


def require_mindspore(config: Config) -> None:
    """Whether the weights of `checkpoint_path` can be opened here: all but an ONNX file need MindSpore.

    Raises:
        ConfigError: `checkpoint_path` is not set, or a module is not installed.
    """
    path = config.checkpoint_path
    if path is None:
        raise ConfigError("checkpoint_path is not set: which weights? (checkpoint_path=FILE.ckpt)")
    problem = modules_problem(TRAINING_MODULES)
    if problem is not None:
        raise ConfigError(f"checkpoint_path={path}: only an ONNX file runs without MindSpore, and {problem}")
