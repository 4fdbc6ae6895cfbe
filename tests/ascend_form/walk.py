"""The operators of a compiled graph, with their types and shapes, and the platforms they are documented for.

A cell that has run keeps the graph that the frontend gave to the backend, with gradients and update.
MindSpore exports it as a MindIR file. What the backend makes of it afterwards depends on the device.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Optional

import mindspore
from mindspore import nn, ops
from mindspore.common.api import _cell_graph_executor
from mindspore.ops import operations
from mindspore.ops.auto_generate import gen_ops_prim
from mindspore.ops.operations import _grad_ops
from mindspore.train.mind_ir_pb2 import ModelProto, TensorProto


@dataclass(frozen=True)
class Node:
    """An operator of a graph.

    Attributes:
        operator: Its name.
        inputs: (type, shape) of each tensor, such as ("FLOAT16", (2, 8, 64, 64)); tuples are flattened.
        outputs: The same of what it returns.
    """

    operator: str
    inputs: tuple
    outputs: tuple


def compiled_nodes(cell: nn.Cell) -> list[Node]:
    """The nodes of all graphs that `cell` has been compiled to."""
    nodes = []
    for phase in cell.compile_cache:
        model = ModelProto()
        model.ParseFromString(
            _cell_graph_executor._graph_executor.get_func_graph_proto(phase, "mind_ir", False)
        )
        for graph in (model.graph, *model.functions):
            known = {
                item.name: _tensors_of(item.tensor)
                for item in (*graph.input, *graph.parameter)
                if hasattr(item, "tensor")
            }
            for node in graph.node:
                outputs = tuple(
                    tensor
                    for attribute in node.attribute
                    if attribute.name in ("shape", "value")
                    for tensor in _tensors(attribute)
                )
                known.update(dict.fromkeys(node.output, outputs))
                if node.op_type != "Constant":
                    inputs = tuple(tensor for name in node.input for tensor in known.get(name, ()))
                    nodes.append(Node(re.sub(r"^REF::|:\d+$", "", node.op_type), inputs, outputs))
    return nodes


def _tensors(attribute):
    yield from _tensors_of(attribute.tensors)
    for value in attribute.values:  # a tuple, which may hold tuples
        yield from _tensors(value)


def _tensors_of(protos):
    protos = protos if isinstance(protos, (list, tuple)) or hasattr(protos, "__iter__") else (protos,)
    return tuple((TensorProto.DataType.Name(proto.data_type), tuple(proto.dims)) for proto in protos)


@functools.lru_cache(maxsize=None)
def documented_platforms(name: str) -> Optional[tuple[str, ...]]:
    """The platforms in the installed documentation of an operator; None if it names none.

    The text of many operators is 'Refer to :func:`mindspore.ops.x`': then the platforms are those of that
    function.

    Args:
        name: An operator's name, or the dotted name of a public function or class.
    """
    if name.startswith("mindspore."):
        things = [functools.reduce(getattr, name.split(".")[1:], mindspore)]
    else:
        things = [
            getattr(module, name)
            for module in (ops, operations, gen_ops_prim, _grad_ops)
            if hasattr(module, name)
        ]
    for thing in things:
        text = thing.__doc__ or ""
        line = re.search(r"Supported Platforms:\s*\n\s*(.*)", text)
        if line:
            return tuple(re.findall(r"``(\w+)``", line.group(1)))
        for other in re.findall(r"Refer to :(?:func|class):`(mindspore\.[\w.]+)`", text):
            try:
                return documented_platforms(other)
            except AttributeError:  # the text names a function that is not public
                continue
    return None
