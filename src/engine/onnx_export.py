"""The ONNX side of export: what it needs, the file, and its answer in ONNX Runtime beside the network's."""

from __future__ import annotations

import importlib.util

import numpy as np

from ..config import changed
from ..errors import ConfigError, UserError
from ..maskrcnn.build import norm_kind
from ..onnx_graph.runtime import FIXED_KEYS, OUTPUTS, OnnxNetwork
from ..weights.checkpoint import network_settings

# Two programs round differently, so of two candidates that are equal to within rounding one may take the one and the other the other.
BOX_LIMIT, SCORE_LIMIT, MASK_LIMIT = 0.1, 1e-3, 1e-2  # boxes in canvas pixels
UNLIKE = 0.05  # the share of detections that may differ


def prepare(config):
    """The configuration to build the network with. Raises ConfigError where the file cannot be written."""
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(
            '--file-format ONNX needs the package onnx, which this project does not install: pip install "onnx<1.23" onnxruntime '
            "(onnxruntime runs the file, to check it)"
        )
    if config.compute_type == "float16":
        name = "compute_type" if config.amp_level == "auto" else "amp_level"
        raise ConfigError(f"{name}={config[name]}: an ONNX file computes in float32; leave it out")
    return changed(config, compute_type="float32")


def write_onnx(network, config, image, image_meta, path):
    """Write the network (in evaluation mode) to `path` and check the file; returns a remark on how it was checked.

    image, image_meta: Tensors to compare with. Raises UserError where the file's answer is not the network's.
    """
    import onnx  # imported here: an optional package

    from ..onnx_graph.network import onnx_model

    norm = norm_kind(config, loads_weights=True)
    weights = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    settings = {**network_settings(config, norm), **{name: config[name] for name in FIXED_KEYS}}
    onnx.save_model(onnx_model(config, norm, weights, settings), str(path))
    if importlib.util.find_spec("onnxruntime") is None:
        return "; it was not run, as ONNX Runtime is not installed (pip install onnxruntime)"
    given = OnnxNetwork(path)(image.asnumpy(), image_meta.asnumpy())
    return ", which " + compare_detections(
        [output.asnumpy() for output in network(image, image_meta)], given, path
    )


def compare_detections(wanted, given, name):
    """A remark on how well two answers (the five arrays of `OUTPUTS`) agree, detection by detection whatever their order among equal scores.

    Raises UserError where more than UNLIKE of them have no counterpart within the limits.
    """
    total, unlike, worst = 0, 0, np.zeros(3)
    for i in range(len(wanted[0])):
        ours, theirs = (
            dict(zip(OUTPUTS, (array[i][answer[3][i]] for array in answer))) for answer in (wanted, given)
        )
        pairs = partners(ours, theirs)
        total += max(len(ours["boxes"]), len(theirs["boxes"]))
        unlike += max(len(ours["boxes"]), len(theirs["boxes"])) - len(pairs)
        worst = np.maximum(
            worst,
            [
                max((_apart(ours[what][a], theirs[what][b]) for a, b in pairs), default=0)
                for what in ("boxes", "scores", "masks")
            ],
        )
    if unlike > UNLIKE * total:
        raise UserError(
            f"{name}: {unlike} of {total} detections are not the network's; the file was not kept"
        )
    if total == 0:
        return "finds nothing in the picture, as the network does"
    return (
        f"gives {total - unlike} of the network's {total} detections (boxes to {worst[0]:.1g} pixels, scores to {worst[1]:.1g}, "
        f"masks to {worst[2]:.1g})"
    )


def partners(ours, theirs):
    """[(a, b)]: the detections a of ours that theirs has as b, within the limits; each is taken once."""
    pairs, free = [], set(range(len(theirs["boxes"])))
    for a in range(len(ours["boxes"])):
        fitting = [
            b
            for b in free
            if ours["labels"][a] == theirs["labels"][b]
            and _apart(ours["boxes"][a], theirs["boxes"][b]) <= BOX_LIMIT
            and _apart(ours["scores"][a], theirs["scores"][b]) <= SCORE_LIMIT
            and _apart(ours["masks"][a], theirs["masks"][b]) <= MASK_LIMIT
        ]
        if fitting:
            b = min(fitting, key=lambda b: _apart(ours["boxes"][a], theirs["boxes"][b]))
            pairs.append((a, b))
            free.discard(b)
    return pairs


def _apart(a, b):
    return float(np.abs(np.asarray(a, np.float64) - b).max())
