"""Inference with a trained network: a checkpoint to a network, batches of pictures to detections in the pictures' own pixels."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from ...data.images.placement import to_picture
from ...errors import ConfigError
from ...maskrcnn.build import build_network
from ...onnx_graph.runtime import FIXED_KEYS, OnnxNetwork, is_onnx
from ...weights.checkpoint import read_checkpoint
from ...weights.loading import config_from_checkpoint, load_network
from ..runtime.compile_cache import compile_cell


def load_for_inference(config, device_target, exported=False):
    """(network in evaluation mode with the weights of `checkpoint_path`, the configuration with the settings they carry).

    exported: the form that goes to a file. `checkpoint_path` may be an exported ONNX file, unless it is to be exported.
    """
    config, entries = open_checkpoint(config)
    return network_from(config, entries, device_target, exported), config


def open_checkpoint(config):
    """(the configuration with the settings that `checkpoint_path` carries, its entries, or the OnnxNetwork where it is an exported ONNX file)."""
    if config.checkpoint_path is None:
        raise ConfigError("checkpoint_path is not set: which weights? (checkpoint_path=FILE.ckpt)")
    if is_onnx(config.checkpoint_path):
        network = OnnxNetwork(config.checkpoint_path)
        return config_from_checkpoint(
            config, network.settings, config.checkpoint_path, fixed=FIXED_KEYS
        ), network
    entries, settings, _ = read_checkpoint(config.checkpoint_path)
    return config_from_checkpoint(config, settings, config.checkpoint_path), entries


def network_from(config, entries, device_target, exported=False):
    """The network of `config` in evaluation mode with a checkpoint's entries; an OnnxNetwork is one already."""
    if isinstance(entries, OnnxNetwork):
        return entries
    network = build_network(config, device_target, loads_weights=True, exported=exported)
    load_network(network, entries, config.checkpoint_path)
    return network.set_train(False)


def compile_inference(network, config, device, batch_size):
    """Compile a network for batches of `batch_size` pictures, or read its graph of an earlier run; an OnnxNetwork needs nothing."""
    if not isinstance(network, OnnxNetwork):
        image = Tensor(np.zeros((batch_size, config.img_height, config.img_width, 3), np.uint8))
        compile_cell(network, (image, Tensor(np.zeros((batch_size, 6), np.float32))), config, device)


def detect(network, batch):
    """Detections of the batch's real pictures, a dict each: boxes float32 [n, 4] in the picture's pixels, scores float32 [n], labels int32
    [n] and masks float32 [n, 28, 28] (probabilities in the boxes' frames).

    batch: image uint8 [B, H, W, 3], image_meta float32 [B, 6], and count, how many of the B are real. `network` is anything that is called
    like `MaskRcnn`, or an `OnnxNetwork`.
    """
    if isinstance(network, OnnxNetwork):
        outputs = network(batch["image"], batch["image_meta"])
    else:
        outputs = [
            output.asnumpy() for output in network(Tensor(batch["image"]), Tensor(batch["image_meta"]))
        ]
    boxes, scores, labels, found, masks = outputs
    return [
        to_picture(boxes[i], scores[i], labels[i], found[i], masks[i], batch["image_meta"][i])
        for i in range(batch["count"])
    ]
