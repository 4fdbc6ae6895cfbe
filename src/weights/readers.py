"""Weights files of every kind to NumPy arrays: .pth and .pt, .safetensors, MindSpore's .ckpt, and detectron2's .pkl. Nothing in them is run."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from .unpickler import load_plain_pickle

# Where training programs keep the weights in what they save, next to an optimiser and the like
_STATE_KEYS = ("state_dict", "model", "model_state_dict", "model_state", "blobs")


def read_weights(path):
    """({name: array}, meta) of a weights file. meta is what else it holds: {"settings": ...} of a file of this project, mmdetection's "meta" ...

    Raises CheckpointError in one line for a file that is missing, damaged, of another kind, or that asks to run something.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f"{path}: one of {', '.join(_READERS)} expected")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    arrays, meta = reader(path)
    if not arrays:
        raise CheckpointError(f"{path}: holds no weights")
    if all(name.startswith("module.") for name in arrays):  # of torch.nn.DataParallel
        arrays = {name[len("module.") :]: array for name, array in arrays.items()}
    return arrays, meta


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise CheckpointError(
            f"{path}: reading it needs PyTorch, which this project does not install: pip install torch; or save it as "
            ".safetensors where PyTorch is"
        ) from None
    try:
        with warnings.catch_warnings():  # about pickle protocols and the like; what matters raises
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refusal(error)}") from None
    except Exception as error:  # a damaged archive can raise nearly anything
        raise CheckpointError(f"{path}: not a whole PyTorch file ({_line(error)})") from None

    def to_numpy(value):
        value = value.detach()
        return (
            value.float() if value.is_floating_point() and value.dtype is not torch.float64 else value
        ).numpy()

    return _split(content, path, lambda value: isinstance(value, torch.Tensor), to_numpy)


def _refusal(error):
    """PyTorch's long answer to a file that is more than weights, as one line."""
    text = str(error)
    mark = "Unsupported global: GLOBAL "
    if mark in text:
        return (
            f"holds {text.split(mark)[1].split()[0]}, which is neither a tensor nor a plain container; nothing of it was read. "
            "Save its state_dict alone: torch.save(model.state_dict(), ...)"
        )
    return f"not a PyTorch file of weights ({_line(error)})"


def _read_safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy") as file:
            meta = file.metadata() or {}
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}
            other = sorted(name for name, kind in types.items() if kind not in _NUMPY_TYPES)
            if other:
                raise CheckpointError(
                    f"{path}: {other[0]} is of the type {types[other[0]]}, which NumPy does not have; save it as float32"
                )
            arrays = {name: file.get_tensor(name) for name in types}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole .safetensors file ({_line(error)})") from None
    try:
        settings = json.loads(meta["maskrcnn_settings"]) if "maskrcnn_settings" in meta else None
    except ValueError:
        raise CheckpointError(f"{path}: its maskrcnn_settings are damaged") from None
    return arrays, {"settings": settings}


_NUMPY_TYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def _read_ckpt(path):
    from .checkpoint import read_checkpoint  # MindSpore takes seconds to load

    entries, settings, _ = read_checkpoint(path)
    return {name: entry.asnumpy() for name, entry in entries.items() if hasattr(entry, "asnumpy")}, {
        "settings": settings
    }


def _read_pickle(path):
    return _split(
        load_plain_pickle(path), path, lambda value: isinstance(value, np.ndarray), lambda value: value
    )


def _split(content, path, is_array, to_numpy):
    """({name: array}, the rest) of what a program saved: the weights themselves, or a dict that holds them beside other things."""
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: a dict of weights expected, found a {type(content).__name__}")
    holder = next((content[key] for key in _STATE_KEYS if isinstance(content.get(key), dict)), content)
    arrays = {str(name): to_numpy(value) for name, value in holder.items() if is_array(value)}
    return arrays, {} if holder is content else {
        name: value for name, value in content.items() if value is not holder
    }


def _line(error):
    return " ".join(str(error).split())[:120] or type(error).__name__


_READERS = {
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".safetensors": _read_safetensors,
    ".ckpt": _read_ckpt,
    ".pkl": _read_pickle,
}
