"""Batches of arrays in memory that the trainer and its data workers share."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import BinaryIO, Dict, List, Mapping

import numpy as np

from .training_example import ArrayLayout

# Every array begins at a multiple of this many bytes.
_ALIGNMENT = 64


def batch_bytes(layout: Mapping[str, ArrayLayout]) -> int:
    """The bytes of a batch whose arrays lie one after another."""
    return sum(_array_bytes(array_layout) for array_layout in layout.values())


def _array_bytes(layout: ArrayLayout) -> int:
    """The bytes of an array, up to where the next one may begin."""
    size = _length(layout) * layout.dtype.itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _length(layout: ArrayLayout) -> int:
    """The number of an array's elements."""
    return int(np.prod(layout.shape, dtype=np.int64))


def batch_buffers(
    memory: mmap.mmap, layout: Mapping[str, ArrayLayout], count: int
) -> List[Dict[str, np.ndarray]]:
    """Batches of arrays that lie one after another in memory.

    Args:
        memory: At least count * batch_bytes(layout) bytes.
        layout: The arrays of a batch.
        count: How many batches.

    Returns:
        For each batch its arrays by name, which are views of the memory.
    """
    offset = 0
    buffers = []
    for _ in range(count):
        arrays = {}
        for name, array_layout in layout.items():
            flat = np.frombuffer(memory, array_layout.dtype, _length(array_layout), offset)
            arrays[name] = flat.reshape(array_layout.shape)
            offset += _array_bytes(array_layout)
        buffers.append(arrays)
    return buffers


def anonymous_file() -> BinaryIO:
    """A new empty file without a name; in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("batches"), "r+b")
    return tempfile.TemporaryFile()
