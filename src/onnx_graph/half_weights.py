"""float16 weights: an ONNX file of half the size that computes in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Union

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_SMALLEST = 256  # numbers; smaller constants (limits, means, biases) stay as they are
# Not Gather: it reads the anchors, whose coordinates float16 would move by up to half a pixel.
_WEIGHTED = ("Conv", "Gemm", "MatMul")


def halve_weights(source: Union[str, Path], target: Union[str, Path]) -> None:
    """Write a float32 file with its weights in float16; ONNX Runtime makes them float32 when it opens it.

    Args:
        source: A file of `onnx_model`.
        target: The file to write.
    """
    model = onnx.load(str(source))
    graph = model.graph
    used = {name for node in graph.node if node.op_type in _WEIGHTED for name in node.input}
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name not in used or _is_small(tensor):
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(target))


def _is_small(tensor: onnx.TensorProto) -> bool:
    return int(np.prod(tensor.dims)) < _SMALLEST
