"""Weights files to NumPy arrays: .pth, .pt, .safetensors, MindSpore's .ckpt and detectron2's .pkl.

No code in a file is executed.
"""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any, Dict, Tuple, Union

import numpy as np

from ..errors import CheckpointError
from .checkpoint_settings import SETTINGS_ENTRY
from .unpickler import load_plain_pickle

# The keys under which training programs save the weights, beside an optimiser's state and more.
_STATE_KEYS = ("state_dict", "model", "model_state_dict", "model_state", "blobs")
_NUMPY_TYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def read_weights(path: Union[str, Path]) -> Tuple[Dict[str, np.ndarray], Dict[str, Any]]:
    """Read a weights file.

    Returns:
        ({name: array}, the rest of the file). The rest is a dict such as {"settings": ...} of a file of this
        project, or {"meta": ...} of mmdetection.

    Raises:
        CheckpointError: for a file that is missing, damaged or of another kind, or that would run code.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; name a weights file of it")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f"{path}: one of {', '.join(_READERS)} expected")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    arrays, rest = reader(path)
    if not arrays:
        raise CheckpointError(f"{path}: holds no weights")
    if all(name.startswith("module.") for name in arrays):  # saved from torch.nn.DataParallel
        arrays = {name[len("module.") :]: array for name, array in arrays.items()}
    return arrays, rest


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise CheckpointError(
            f"{path}: reading it needs PyTorch, which this project does not install: pip install torch; "
            "or save it as .safetensors where PyTorch is"
        ) from None
    try:
        with warnings.catch_warnings():  # warnings about pickle protocols do not matter; errors are raised
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refusal(error)}") from None
    except Exception as error:  # a damaged archive can raise nearly any exception
        raise CheckpointError(f"{path}: not a whole PyTorch file ({_one_line(error)})") from None

    def to_numpy(tensor):
        tensor = tensor.detach()
        if tensor.is_floating_point() and tensor.dtype is not torch.float64:
            tensor = tensor.float()  # NumPy has no bfloat16
        return tensor.numpy()

    return _split(content, path, lambda value: isinstance(value, torch.Tensor), to_numpy)


def _refusal(error):
    """PyTorch's long message about a file with more than weights in it, as one line."""
    text = str(error)
    mark = "Unsupported global: GLOBAL "
    if mark in text:
        what = text.split(mark)[1].split()[0]
        return (
            f"holds {what}, which is neither a tensor nor a plain container; nothing of it was read. "
            "Save its state_dict alone: torch.save(model.state_dict(), ...)"
        )
    return f"not a PyTorch file of weights ({_one_line(error)})"


def _read_safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy") as file:
            metadata = file.metadata() or {}
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}
            other = sorted(name for name, kind in types.items() if kind not in _NUMPY_TYPES)
            if other:
                raise CheckpointError(
                    f"{path}: {other[0]} is of the type {types[other[0]]}, "
                    "which NumPy does not have; save it as float32"
                )
            arrays = {name: file.get_tensor(name) for name in types}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole .safetensors file ({_one_line(error)})") from None
    try:
        settings = json.loads(metadata[SETTINGS_ENTRY]) if SETTINGS_ENTRY in metadata else None
    except ValueError:
        raise CheckpointError(f"{path}: its {SETTINGS_ENTRY} are damaged") from None
    return arrays, {"settings": settings}


def _read_ckpt(path):
    from .checkpoint_file import read_checkpoint  # imported here, as MindSpore takes seconds to import

    checkpoint = read_checkpoint(path)
    arrays = {
        name: entry.asnumpy() for name, entry in checkpoint.entries.items() if hasattr(entry, "asnumpy")
    }
    return arrays, {"settings": checkpoint.settings}


def _read_pickle(path):
    content = load_plain_pickle(path)
    return _split(content, path, lambda value: isinstance(value, np.ndarray), lambda value: value)


def _split(content, path, is_array, to_numpy):
    """({name: array}, the rest) of a saved object: a dict of weights, or a dict with such a dict in it."""
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: a dict of weights expected, found a {type(content).__name__}")
    weights = content
    rest = {}
    for key in _STATE_KEYS:
        if isinstance(content.get(key), dict):
            weights = content[key]
            rest = {name: value for name, value in content.items() if value is not weights}
            break
    return {str(name): to_numpy(value) for name, value in weights.items() if is_array(value)}, rest


def _one_line(error):
    return " ".join(str(error).split())[:120] or type(error).__name__


_READERS = {
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".safetensors": _read_safetensors,
    ".ckpt": _read_ckpt,
    ".pkl": _read_pickle,
}
