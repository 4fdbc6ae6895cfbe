"""Export to ONNX: what it needs, the file, and its detections in ONNX Runtime beside the network's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Dict, List, Sequence, Tuple, Union

import numpy as np
from mindspore import Tensor, nn

from ..config import Config, changed
from ..errors import ConfigError, UserError
from ..maskrcnn.build import norm_kind
from ..onnx_graph.runtime import EXPORTED_KEYS, OUTPUTS, OnnxNetwork
from ..weights.checkpoint_settings import network_settings

# Two detections are the same if their labels are equal and these differences are not exceeded.
MAX_DIFFERENCE = {"boxes": 0.1, "scores": 1e-3, "masks": 1e-2}  # boxes in canvas pixels
# The share of detections that may differ. Two programs round differently, so of two candidates that are equal
# to within rounding one program may keep the one and the other the other.
MAX_DIFFERENT_SHARE = 0.05


def prepare(config: Config) -> Config:
    """The configuration to build the network with.

    Raises:
        ConfigError: The file cannot be written.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(
            "--file-format ONNX needs the package onnx, which this project does not install: "
            'pip install "onnx<1.23" onnxruntime (onnxruntime runs the file, to check it)'
        )
    if config.compute_type == "float16":
        name = "compute_type" if config.amp_level == "auto" else "amp_level"
        raise ConfigError(f"{name}={config[name]}: an ONNX file computes in float32; leave it out")
    return changed(config, compute_type="float32")


def write_onnx(network: nn.Cell, config: Config, image: Tensor, image_meta: Tensor, path: Path) -> str:
    """Write a network in evaluation mode to an ONNX file and check the file.

    Args:
        network: The network.
        config: Its settings.
        image, image_meta: The input to compare the file's outputs and the network's with.
        path: The file.

    Returns:
        The end of a sentence that says how the file was checked.

    Raises:
        UserError: The file's detections are not the network's.
    """
    import onnx  # an optional package

    from ..onnx_graph.network import onnx_model

    norm = norm_kind(config, loads_weights=True)
    weights = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    settings = {**network_settings(config, norm), **{name: config[name] for name in EXPORTED_KEYS}}
    onnx.save_model(onnx_model(config, norm, weights, settings), str(path))
    if importlib.util.find_spec("onnxruntime") is None:
        return "; it was not run, as ONNX Runtime is not installed (pip install onnxruntime)"
    outputs = OnnxNetwork(path)(image.asnumpy(), image_meta.asnumpy())
    expected = [output.asnumpy() for output in network(image, image_meta)]
    return ", which " + compare_detections(expected, outputs, path)


def compare_detections(
    expected: Sequence[np.ndarray], outputs: Sequence[np.ndarray], name: Union[str, Path]
) -> str:
    """Compare the network's outputs and the file's (five arrays each, `OUTPUTS`), detection by detection.

    The order of detections with equal scores does not matter.

    Returns:
        The end of a sentence that says how well they agree.

    Raises:
        UserError: More than MAX_DIFFERENT_SHARE of the detections are different.
    """
    total = 0
    different = 0
    largest = dict.fromkeys(MAX_DIFFERENCE, 0.0)
    for picture in range(len(expected[0])):
        first = _detections_of(expected, picture)
        second = _detections_of(outputs, picture)
        pairs = match_detections(first, second)
        count = max(len(first["boxes"]), len(second["boxes"]))
        total += count
        different += count - len(pairs)
        for kind in MAX_DIFFERENCE:
            differences = [_difference(first[kind][i], second[kind][j]) for i, j in pairs]
            largest[kind] = max([largest[kind], *differences])
    if different > MAX_DIFFERENT_SHARE * total:
        raise UserError(
            f"{name}: {different} of {total} detections are not the network's; the file was not kept"
        )
    if total == 0:
        return "finds nothing in the picture, as the network does"
    return (
        f"gives {total - different} of the network's {total} detections "
        f"(boxes to {largest['boxes']:.1g} pixels, scores to {largest['scores']:.1g}, "
        f"masks to {largest['masks']:.1g})"
    )


def match_detections(first: Dict[str, np.ndarray], second: Dict[str, np.ndarray]) -> List[Tuple[int, int]]:
    """[(i, j)]: the detections i of `first` that are the same as j of `second`; each is matched once."""
    pairs = []
    unmatched = set(range(len(second["boxes"])))
    for i in range(len(first["boxes"])):
        same = [
            j
            for j in unmatched
            if first["labels"][i] == second["labels"][j]
            and all(
                _difference(first[kind][i], second[kind][j]) <= limit
                for kind, limit in MAX_DIFFERENCE.items()
            )
        ]
        if same:
            nearest = min(same, key=lambda j: _difference(first["boxes"][i], second["boxes"][j]))
            pairs.append((i, nearest))
            unmatched.discard(nearest)
    return pairs


def _detections_of(outputs: Sequence[np.ndarray], picture: int) -> Dict[str, np.ndarray]:
    named = {name: array[picture] for name, array in zip(OUTPUTS, outputs)}
    return {name: array[named["found"]] for name, array in named.items()}


def _difference(first, second) -> float:
    return float(np.abs(np.asarray(first, np.float64) - second).max())
