"""Export to ONNX: what it needs, the file, and its detections in ONNX Runtime beside the network's."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple, Union

import numpy as np
from mindspore import nn

from ..config import Config, changed
from ..errors import ConfigError, UserError
from ..maskrcnn.build import norm_kind
from ..onnx_graph.cpu_instructions import has_8_bit_products
from ..onnx_graph.runtime import (
    EXPORTED_KEYS,
    FLOAT16_WEIGHTS,
    FLOAT32,
    INT8,
    ORIGIN_ENTRY,
    OUTPUTS,
    OnnxNetwork,
)
from ..weights.checkpoint_settings import SETTINGS_ENTRY, network_settings
from .proof.origin import file_origin
from .proof.partners import SAME_OBJECT, find_partners

# Two detections are the same if their labels are equal and these differences are not exceeded.
MAX_DIFFERENCE = {"boxes": 0.1, "scores": 1e-3, "masks": 1e-2}  # boxes in canvas pixels
# The share of detections that may differ. Two programs round differently, so of two candidates that are equal
# to within rounding one program may keep the one and the other the other.
MAX_DIFFERENT_SHARE = 0.05


def prepare(config: Config, precision: str = FLOAT32) -> Config:
    """The configuration to build the network with, for a file of this precision.

    Raises:
        ConfigError: The file cannot be written.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(
            "--file-format ONNX needs the package onnx, which this project does not install: "
            'pip install "onnx<1.23" onnxruntime (onnxruntime runs the file, to check it)'
        )
    if precision == INT8 and importlib.util.find_spec("onnxruntime") is None:
        raise ConfigError("--file-format ONNX_INT8 needs ONNX Runtime: pip install onnxruntime")
    if config.compute_type not in ("auto", "float32"):
        name = "compute_type" if config.amp_level == "auto" else "amp_level"
        raise ConfigError(f"{name}={config[name]}: an ONNX file computes in float32; leave it out")
    return changed(config, compute_type="float32")


def write_onnx(
    network: nn.Cell,
    config: Config,
    path: Path,
    precision: str = FLOAT32,
    calibration: Iterable[Mapping[str, np.ndarray]] = (),
) -> str:
    """Write a network in evaluation mode to an ONNX file.

    Args:
        network: The network.
        config: Its settings.
        path: The file.
        precision: FLOAT32, FLOAT16_WEIGHTS or INT8.
        calibration: For INT8: inputs of the network that show what it will see.

    Returns:
        A remark for the user, "" without one.
    """
    import onnx  # an optional package

    from ..onnx_graph.network import onnx_model

    norm = norm_kind(config, loads_weights=True)
    weights = {name: parameter.asnumpy() for name, parameter in network.parameters_dict().items()}
    metadata = {
        SETTINGS_ENTRY: {**network_settings(config, norm), **{name: config[name] for name in EXPORTED_KEYS}},
        ORIGIN_ENTRY: {"precision": precision, **file_origin(config.checkpoint_path)},
    }
    model = onnx_model(config, norm, weights, metadata, winograd=precision != INT8)
    if precision == FLOAT32:
        onnx.save_model(model, str(path))
        return ""
    with tempfile.TemporaryDirectory(prefix="maskrcnn-onnx-") as folder:
        exact = Path(folder) / "float32.onnx"
        onnx.save_model(model, str(exact))
        if precision == FLOAT16_WEIGHTS:
            from ..onnx_graph.half_weights import halve_weights

            halve_weights(exact, path)
            return ", weights in float16"
        from ..onnx_graph.quantization import quantize

        count = quantize(exact, path, calibration)
    remark = f", {count} convolutions and matrix products in 8 bits"
    if not has_8_bit_products():
        remark += " (this CPU has no VNNI: here the file may be slower than a float32 one)"
    return remark


def check_onnx(
    path: Path,
    inputs: Sequence[Tuple[np.ndarray, np.ndarray]],
    expected: Sequence[Sequence[np.ndarray]],
    name: Union[str, Path],
    precision: str = FLOAT32,
) -> str:
    """Run an ONNX file on pictures and compare what it finds with what the network finds.

    Args:
        path: The file.
        inputs: (image, image_meta) of each picture, repeated to a batch.
        expected: The network's outputs for each.
        name: The file's name in messages.
        precision: Of the file.

    Returns:
        The end of a sentence that says how the file was checked.

    Raises:
        UserError: The file's detections are not the network's.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return "; it was not run, as ONNX Runtime is not installed (pip install onnxruntime)"
    network = OnnxNetwork(path)
    outputs = [network(*batch) for batch in inputs]
    require_finds(expected, outputs, name)
    expected = [np.concatenate(arrays) for arrays in zip(*expected)]
    outputs = [np.concatenate(arrays) for arrays in zip(*outputs)]
    compare = compare_detections if precision == FLOAT32 else compare_objects
    return ", which " + compare(expected, outputs, name)


def require_finds(
    expected: Sequence[Sequence[np.ndarray]], outputs: Sequence[Sequence[np.ndarray]], name: Union[str, Path]
) -> None:
    """Raises UserError for a picture in which the network finds something, and the file nothing."""
    for number, (wanted, given) in enumerate(zip(expected, outputs), 1):
        if wanted[3].any() and not given[3].any():
            raise UserError(
                f"{name}: finds nothing in picture {number} of the check, where the network finds "
                f"{int(wanted[3].sum())} objects; the file was not kept"
            )


def compare_objects(
    expected: Sequence[np.ndarray], outputs: Sequence[np.ndarray], name: Union[str, Path]
) -> str:
    """`compare_detections` for a file whose weights or sums are rounded: objects, not numbers, are the same.

    How many of them have to be is for `export.py --prove` to say.

    Raises:
        UserError: None of the objects is the same.
    """
    first, second = (
        [_detections_of(arrays, i) for i in range(len(arrays[0]))] for arrays in (expected, outputs)
    )
    first = [_sure_detections(found) for found in first]
    total = sum(len(one["scores"]) for one in first)
    same = sum(len(find_partners(a, b, SAME_OBJECT)) for a, b in zip(first, second))
    if total and not same:
        raise UserError(
            f"{name}: finds none of the network's {total} objects; the file was not kept "
            "(pictures like those that the network was trained for calibrate it better)"
        )
    return f"finds {same} of the network's {total} objects (class, IoU > .5)"


def _sure_detections(found: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Those with at least half of the best score: further ones come and go with every rounding."""
    kept = found["scores"] >= 0.5 * found["scores"].max(initial=0)
    return {name: array[kept] for name, array in found.items()}


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
