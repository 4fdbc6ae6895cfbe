"""Checkpoint entries into a network, strictly: either every entry is loaded or none is."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import numpy as np
from mindspore import Tensor, nn

from ..errors import CheckpointError
from .class_rows import CLASS_LAYERS
from .mindcv import MINDCV
from .modelzoo import MODELZOO
from .naming import shorten_list


def load_network(
    network: nn.Cell, entries: Mapping[str, Any], path: str, name_in_file: Callable[[str], str] = str
) -> None:
    """Load a whole model.

    Args:
        network: its parameters are set.
        entries: {parameter name: Parameter, Tensor or array}.
        path: the file, for messages.
        name_in_file: a function from a parameter's name to its name in the file, for messages.

    Raises:
        CheckpointError: a list of the entries that are missing, unknown, or of another shape or type.
    """
    _load(network.parameters_dict(), entries, path, _nothing, name_in_file)


def load_all_but_classes(network: nn.Cell, entries: Mapping[str, Any], path: str) -> None:
    """As `load_network`, but the layers that have a row for each class stay as they are."""
    parameters = {
        name: parameter for name, parameter in network.parameters_dict().items() if name not in CLASS_LAYERS
    }
    _load(parameters, entries, path, lambda name: name in CLASS_LAYERS, str)


def load_backbone(
    network: nn.Cell, entries: Mapping[str, Any], path: str, name_in_file: Callable[[str], str] = str
) -> None:
    """Load a backbone, and its feature pyramid if the file has one.

    Args: as of `load_network`. The names of `entries` are with or without 'backbone.';
        a classifier's and an optimiser's entries are ignored.

    Raises:
        CheckpointError: as `load_network`.
    """
    prefixes = ("backbone.", "fpn.") if has_fpn(entries) else ("backbone.",)
    parameters = {
        name: parameter for name, parameter in network.parameters_dict().items() if name.startswith(prefixes)
    }
    entries = {
        name if name.startswith(prefixes) else f"backbone.{name}": value for name, value in entries.items()
    }

    def may_be_ignored(name):
        return any(scheme.is_ignored(name.removeprefix("backbone.")) for scheme in (MINDCV, MODELZOO))

    _load(parameters, entries, path, may_be_ignored, name_in_file)


def has_fpn(entries: Mapping[str, Any]) -> bool:
    """Whether the entries hold a feature pyramid's weights."""
    return any(name.startswith("fpn.") for name in entries)


def is_whole_model(entries: Mapping[str, Any]) -> bool:
    """Whether the entries are those of a Mask R-CNN, not of a backbone."""
    return any(name.startswith("rpn.") for name in entries)


def _nothing(name):
    return False


def _load(parameters, entries, path, may_be_ignored, name_in_file):
    """Set parameters from entries of the same names, after all of them have been checked."""
    both = [name for name in parameters if name in entries]
    problems = {
        "missing": [name_in_file(name) for name in parameters if name not in entries],
        "not known here": [
            name_in_file(name) for name in entries if name not in parameters and not may_be_ignored(name)
        ],
        "of another shape": [
            f"{name_in_file(name)} is {tuple(entries[name].shape)}, needed {tuple(parameters[name].shape)}"
            for name in both
            if tuple(entries[name].shape) != tuple(parameters[name].shape)
        ],
        "not of a float type": [
            f"{name_in_file(name)} is {entries[name].dtype}"
            for name in both
            if str(entries[name].dtype).lower() not in ("float32", "float16")
        ],
    }
    lines = [f"{len(names)} {what}: {shorten_list(names)}" for what, names in problems.items() if names]
    if lines:
        raise CheckpointError(f"{path} does not fit the network; " + "; ".join(lines))
    for name, parameter in parameters.items():
        entry = entries[name]
        array = entry.asnumpy() if hasattr(entry, "asnumpy") else entry
        parameter.set_data(Tensor(np.ascontiguousarray(array, np.float32)))
