"""Inference with a trained network: a checkpoint to a network, batches of pictures to detections in the pictures' own pixels."""
from __future__ import annotations

import numpy as np
from mindspore import Tensor

from src.engine.checkpoint import read_checkpoint
from src.engine.loading import config_from_checkpoint, load_network
from src.errors import ConfigError
from src.maskrcnn.build import build_network


def load_for_inference(config, device_target, exported=False):
    """(network in evaluation mode with the weights of `checkpoint_path`, the configuration with the settings they carry)."""
    config, entries = open_checkpoint(config)
    return network_from(config, entries, device_target, exported), config


def open_checkpoint(config):
    """(the configuration with the settings that `checkpoint_path` carries, its entries)."""
    if config.checkpoint_path is None:
        raise ConfigError("checkpoint_path is not set: which weights? (checkpoint_path=FILE.ckpt)")
    entries, settings, _ = read_checkpoint(config.checkpoint_path)
    return config_from_checkpoint(config, settings, config.checkpoint_path), entries


def network_from(config, entries, device_target, exported=False):
    """The network of `config` in evaluation mode with a checkpoint's entries."""
    network = build_network(config, device_target, loads_weights=True, exported=exported)
    load_network(network, entries, config.checkpoint_path)
    return network.set_train(False)


def detect(network, batch):
    """Detections of the batch's real pictures, a dict each: boxes float32 [n, 4] in the picture's pixels, scores float32 [n], labels int32
    [n] and masks float32 [n, 28, 28] (probabilities in the boxes' frames).

    batch: image uint8 [B, H, W, 3], image_meta float32 [B, 6], and count, how many of the B are real. `network` is anything that is called
    like `MaskRcnn`.
    """
    outputs = network(Tensor(batch["image"]), Tensor(batch["image_meta"]))
    boxes, scores, labels, found, masks = (output.asnumpy() for output in outputs)
    return [to_picture(boxes[i], scores[i], labels[i], found[i], masks[i], batch["image_meta"][i]) for i in range(batch["count"])]


def to_picture(boxes, scores, labels, found, masks, meta):
    """One picture's padded outputs as the detections of `detect`; meta float32 [6]."""
    scale = np.array([meta[3], meta[2], meta[3], meta[2]], np.float32)
    limit = np.array([meta[5], meta[4], meta[5], meta[4]], np.float32)
    return dict(boxes=np.clip(boxes[found] / scale, 0, limit), scores=scores[found], labels=labels[found], masks=masks[found])
