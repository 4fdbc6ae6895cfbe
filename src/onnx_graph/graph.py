"""An ONNX graph as it is written: nodes in order, constants by name. Standard operators of one opset only."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# 16 is the first whose RoiAlign knows half-pixel-correct boxes; IR version 8 is what its time's runtimes read.
OPSET, IR_VERSION = 16, 8
TYPES = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


class Graph:
    """`graph("Add", x, y)` adds a node and returns its output's name.

    Inputs are names, "" for one that is left out, or numbers and NumPy arrays, which become constants: Python's floats float32, whole
    numbers int64. `part` names the part of the network that is being written, for whoever looks at the file.
    """

    def __init__(self):
        self.part, self.nodes, self.constants, self._names, self._seen = "", [], [], {}, set()

    def __call__(self, kind, *inputs, outputs=1, **attributes):
        """Add a node; attributes as ONNX's documentation of the operator names them. Returns a name, or a list of `outputs` names."""
        name = self._fresh(kind)
        names = [name if outputs == 1 else f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(
                kind,
                [one if isinstance(one, str) else self.constant(one) for one in inputs],
                names,
                name=name,
                **attributes,
            )
        )
        return names[0] if outputs == 1 else names

    def constant(self, value):
        """The name of a constant; equal ones are stored once."""
        array = np.asarray(value)
        if not isinstance(value, (np.ndarray, np.generic)):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        array = np.ascontiguousarray(array).reshape(array.shape)  # the former makes a 0-d array 1-d
        key = (array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=16).digest())
        if key not in self._names:
            name = self._fresh("constant")
            self.constants.append(numpy_helper.from_array(array, name))
            self._names[key] = name
        return self._names[key]

    def cast(self, x, dtype):
        return self("Cast", x, to=TYPES[dtype])

    def flat(self, x):
        """x as one axis."""
        return self("Reshape", x, [-1])

    def length(self, x):
        """int64 [1]: the number of rows of x."""
        return self("Slice", self("Shape", x), [0], [1])

    def filled(self, shape, value):
        """`value` everywhere, in its own type; shape int64 [n]."""
        return self("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([value])))

    def true_places(self, flags):
        """int64 [R]: where bool [N] is true, in order; R may be 0."""
        return self("Squeeze", self("NonZero", flags), [0])

    def arange(self, count):
        """int64 [count]: 0, 1, ...; count int64 [1]."""
        return self("Range", np.int64(0), self("Squeeze", count, [0]), np.int64(1))

    def pick(self, values, index):
        """values [B, N, ...] at index int64 [B, K] of each row: [B, K, ...]."""
        return self("GatherND", values, self("Unsqueeze", index, [2]), batch_dims=1)

    def model(self, inputs, outputs, settings, description):
        """The checked ModelProto. inputs: {name: (type, shape)}; outputs: {name: (type, shape, the graph's own name)}; settings: {key: text}."""
        for name, (_, _, made) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [made], [name], name=f"output/{name}"))
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
        helper.set_model_props(model, settings)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _fresh(self, kind):
        name, number = f"{self.part}/{kind}", 1
        while f"{name}_{number}" in self._seen:
            number += 1
        self._seen.add(f"{name}_{number}")
        return f"{name}_{number}"
