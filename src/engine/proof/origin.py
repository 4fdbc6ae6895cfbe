"""What an exported file was made of and with, which it carries."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict, Union

_PACKAGES = ("mindspore", "onnx", "onnxruntime", "numpy")


def file_origin(checkpoint: Union[str, Path]) -> Dict[str, str]:
    """The checkpoint's name and digest, and the versions of the packages that wrote the file."""
    origin = {"checkpoint": Path(checkpoint).name, "checkpoint_sha256": _digest(checkpoint)}
    for package in _PACKAGES:
        try:
            origin[package] = version(package)
        except PackageNotFoundError:
            continue  # a MINDIR file needs neither onnx nor onnxruntime
    return origin


def _digest(path: Union[str, Path]) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
