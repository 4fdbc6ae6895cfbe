"""An ONNX graph while it is written: nodes in order, and constants. All operators are of one opset."""

from __future__ import annotations

import hashlib
from typing import Any, List, Mapping, Sequence, Tuple, Union

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Opset 16 is the first whose RoiAlign can align boxes to half pixels. Its runtimes read IR version 8.
OPSET = 16
IR_VERSION = 8
TYPES = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


class Graph:
    """A graph that grows node by node: `graph("Add", x, y)` adds a node and returns the name of its output.

    A tensor is represented by its name: in this folder's docstrings, `boxes [B, N, 4]` is the name of a
    tensor of that shape.

    Attributes:
        scope: name of the part of the network that is being written. Node names begin with it.
        nodes: the nodes so far.
        constants: the constants so far.
    """

    def __init__(self):
        self.scope = ""
        self.nodes = []
        self.constants = []
        self._constant_names = {}
        self._used_names = set()

    def __call__(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Union[str, List[str]]:
        """Add a node.

        Args:
            kind: the operator, as ONNX calls it.
            inputs: names of tensors ("" for an input that is left out), or numbers and arrays, which become
                constants: Python's floats float32, whole numbers int64.
            outputs: how many outputs the node has.
            attributes: as ONNX's documentation of the operator calls them.

        Returns:
            The name of the output; a list of names if there are several.
        """
        name = self._new_name(kind)
        names = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        input_names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(kind, input_names, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any) -> str:
        """The name of a constant. Equal constants are stored once."""
        array = np.asarray(value)
        if not isinstance(value, (np.ndarray, np.generic)):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        array = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes a 0-d array 1-d
        digest = hashlib.blake2b(array.tobytes(), digest_size=16).digest()
        key = (array.dtype.str, array.shape, digest)
        if key not in self._constant_names:
            name = self._new_name("constant")
            self.constants.append(numpy_helper.from_array(array, name))
            self._constant_names[key] = name
        return self._constant_names[key]

    def cast(self, x: str, dtype: str) -> str:
        """x in another type, a key of TYPES."""
        return self("Cast", x, to=TYPES[dtype])

    def flatten(self, x: str) -> str:
        """x with one axis."""
        return self("Reshape", x, [-1])

    def row_count(self, x: str) -> str:
        """int64 [1]: the length of the first axis of x."""
        return self("Slice", self("Shape", x), [0], [1])

    def full(self, shape: str, value: np.generic) -> str:
        """An array of one value, in the value's type; shape int64 [n]."""
        return self("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([value])))

    def nonzero(self, mask: str) -> str:
        """int64 [R]: the indices where bool [N] is true, in order. R may be 0."""
        return self("Squeeze", self("NonZero", mask), [0])

    def arange(self, count: str) -> str:
        """int64 [count]: 0, 1, ...; count int64 [1]."""
        return self("Range", np.int64(0), self("Squeeze", count, [0]), np.int64(1))

    def gather_rows(self, values: str, index: str) -> str:
        """[B, K, ...]: of values [B, N, ...] the rows index int64 [B, K] of each picture."""
        return self("GatherND", values, self("Unsqueeze", index, [2]), batch_dims=1)

    def build_model(
        self,
        inputs: Mapping[str, Tuple[str, Sequence]],
        outputs: Mapping[str, Tuple[str, Sequence, str]],
        metadata: Mapping[str, str],
        description: str,
    ) -> onnx.ModelProto:
        """The finished model, checked by `onnx.checker`.

        Args:
            inputs: {name: (type, shape)}.
            outputs: {name: (type, shape, name of the tensor in this graph)}.
            metadata: {key: text} to store in the model.
            description: one line about the model.
        """
        for name, (_, _, tensor) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"output/{name}"))
        graph = helper.make_graph(
            self.nodes,
            "mask_rcnn",
            [
                helper.make_tensor_value_info(name, TYPES[dtype], shape)
                for name, (dtype, shape) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(name, TYPES[dtype], shape)
                for name, (dtype, shape, _) in outputs.items()
            ],
            self.constants,
        )
        model = helper.make_model(
            graph,
            producer_name="maskrcnn",
            doc_string=description,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _new_name(self, kind):
        number = 1
        while f"{self.scope}/{kind}_{number}" in self._used_names:
            number += 1
        name = f"{self.scope}/{kind}_{number}"
        self._used_names.add(name)
        return name
