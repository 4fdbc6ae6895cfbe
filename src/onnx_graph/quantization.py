"""int8: an ONNX file of this project with its convolutions and matrix products in 8 bits, by ONNX Runtime.

Weights are int8 with a scale for each output channel, activations uint8 with a scale and a zero point for
each tensor, fitted to what the tensor holds for calibration pictures. Boxes, NMS, RoIAlign, group norms, and
the layers that give logits and deltas stay in float32.
"""

from __future__ import annotations

import contextlib
import logging
from collections import defaultdict
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Union

import numpy as np
import onnx

# What is computed in 8 bits. ReLUs and additions between convolutions are there so that the values between
# them need not become float32 and 8 bits again.
_PRODUCTS = ("Conv", "Gemm")
_BETWEEN = ("Relu", "Add", "MaxPool", "Resize")
# The first parts of the names of nodes: the parts of the network with convolutions.
_SCOPES = ("stem/", "layer", "fpn/", "rpn/", "box_head/", "mask_head/")


def quantize(
    source: Union[str, Path], target: Union[str, Path], batches: Iterable[Mapping[str, np.ndarray]]
) -> int:
    """Write an ONNX file in 8 bits.

    Args:
        source: A float32 file of `onnx_model`, written without Winograd's algorithm, whose sums would be
            rounded.
        target: The file to write.
        batches: The calibration pictures: {"image": ..., "image_meta": ...} as `OnnxNetwork` takes them.

    Returns:
        How many convolutions and matrix products compute in 8 bits.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    nodes = nodes_to_quantize(onnx.load(str(source), load_external_data=False).graph)
    with _without_advice():
        quantize_static(
            str(source),
            str(target),
            _reader(iter(batches)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[*_PRODUCTS, *_BETWEEN],
            nodes_to_quantize=[node.name for node in nodes],
            calibrate_method=CalibrationMethod.MinMax,
        )
    return sum(node.op_type in _PRODUCTS for node in nodes)


def nodes_to_quantize(graph: onnx.GraphProto) -> List[onnx.NodeProto]:
    """The nodes of a graph that are to compute in 8 bits."""
    readers: Dict[str, List[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    in_8_bits: Dict[str, onnx.NodeProto] = {}  # by the name of the output
    for node in graph.node:
        if not node.name.startswith(_SCOPES):
            continue
        if node.op_type in _PRODUCTS:
            chosen = not _gives_logits(node, readers[node.output[0]])
        elif node.op_type in _BETWEEN:
            chosen = any(name in in_8_bits for name in node.input)
        else:
            chosen = False
        if chosen:
            in_8_bits[node.output[0]] = node
    return list(in_8_bits.values())


def _gives_logits(node: onnx.NodeProto, readers: Sequence[onnx.NodeProto]) -> bool:
    """Whether a layer's outputs are logits or deltas: the last layers of the RPN and of the box head."""
    kinds = {reader.op_type for reader in readers}
    return "Transpose" in kinds if node.op_type == "Conv" else "Relu" not in kinds


def _reader(batches: Iterator[Mapping[str, np.ndarray]]):
    """What ONNX Runtime reads the calibration pictures with."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def get_next(self):
            return next(batches, None)

    return Reader()


@contextlib.contextmanager
def _without_advice():
    """Without ONNX Runtime's advice to optimise the file first: the graph is written as it is to be."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
