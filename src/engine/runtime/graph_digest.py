"""The name of a kept graph: a digest of everything that a graph follows from."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Tuple

import mindspore as ms

from ...device_limits import soc_version
from ...maskrcnn.cpu.custom_operator import operator_names
from .device import Device

PACKAGE = Path(__file__).resolve().parents[2]
_ATTRIBUTES_OF_ALL_CELLS = frozenset(vars(ms.nn.Cell()))


def digest(
    cell: ms.nn.Cell, inputs: Sequence[ms.Tensor], device: Device, graph_settings: Mapping[str, Any]
) -> str:
    """32 hex digits of everything that a cell's graph for inputs of these shapes follows from.

    `graph_settings` is {name: value} of the settings that it may follow from (`Key.in_graph`).
    """
    sources = [path for path in (Path(sys.argv[0]), *sorted(PACKAGE.rglob("*.py"))) if path.is_file()]
    parts = {
        "versions": [ms.__version__, platform.python_version(), platform.machine()],
        "sources": [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources],
        "settings": dict(graph_settings),
        "devices": [device.target, device.num, soc_version(), ms.get_context("jit_level")],
        "inputs": [[list(tensor.shape), str(tensor.dtype)] for tensor in inputs],
        "parameters": [
            [parameter.name, list(parameter.shape), str(parameter.dtype), parameter.requires_grad]
            for parameter in cell.get_parameters()
        ],
        "cells": [
            [name, type(part).__qualname__, part.training, sorted(_constants(part))]
            for name, part in cell.cells_and_names()
        ],
        "operators": sorted(operator_names()),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _constants(cell: ms.nn.Cell) -> List[Tuple[str, Any]]:
    """(name, value) of a cell's own attributes, which its graph holds as constants."""
    return [
        (name, _stable_value(value))
        for name, value in vars(cell).items()
        if name not in _ATTRIBUTES_OF_ALL_CELLS
    ]


def _stable_value(value: Any) -> Any:
    """A value as JSON that is equal in every process.

    Tensors by a digest of their bytes, Parameters by name, numbers and texts as they are, all else by its
    type.
    """
    if isinstance(value, ms.Parameter):
        return value.name
    if isinstance(value, ms.Tensor):
        return hashlib.sha256(value.asnumpy().tobytes()).hexdigest()
    if isinstance(value, (tuple, list)):
        return [_stable_value(item) for item in value]
    if isinstance(value, (type(None), bool, int, float, str, ms.Type)):
        return repr(value)
    return type(value).__qualname__
