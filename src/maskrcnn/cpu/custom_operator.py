"""Python functions on NumPy arrays as operators of the graph, on the CPU; the compiled kernels are all called this way.

MindSpore 2.8 hands such a function copies of the operator's inputs and keeps the memory of each operator's copies for good, 1.2 GB of a training
step at 768x1280. Here the pages of large copies go back to the system after the call; the next call's copy brings them again.

A graph refers to its functions by number, MindSpore's being their addresses. Here the number follows from what a function is, so that a graph
that was kept (`src/engine/runtime/compile_cache.py`) finds its functions in another process.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import inspect
import mmap

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.ops.operations._pyfunc_registry import add_pyfunc

LARGE = 2**22  # bytes: below it is not worth a system call
_DONT_NEED = 4  # MADV_DONTNEED of Linux
_names = set()  # of the operators made in this process


def custom_operator(function, shape, dtype):
    """ops.Custom of a function of read-only NumPy arrays that returns new ones; shape and dtype infer its results' from its inputs'.

    Functions of the same name, made with the same values, have to be the same: one stands for the other.
    """

    @functools.wraps(function)
    def call(*arrays):
        results = function(*arrays)
        give_back(arrays)
        return results

    name = name_of(function)
    operator = ops.Custom(call if copies_are_private() else function, shape, dtype, "pyfunc")
    number = int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)
    add_pyfunc(number, operator.func)
    operator.add_prim_attr("fn_id", number)
    _names.add(name)
    return operator


def operator_names():
    """The names of all operators that were made in this process."""
    return frozenset(_names)


def name_of(function):
    """Where a function is from, and the values that it was made with (those of its closure). Raises TypeError for one that is not plain."""
    return (
        f"{function.__module__}.{function.__qualname__} {plain(inspect.getclosurevars(function).nonlocals)}"
    )


def plain(value):
    """Text that is equal for equal values, in every process."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()}"
    if isinstance(value, dict):
        return str([(name, plain(one)) for name, one in sorted(value.items())])
    if isinstance(value, (tuple, list)):
        return str([plain(one) for one in value])
    if isinstance(value, (type(None), bool, int, float, str, np.generic)):
        return repr(value)
    raise TypeError(
        f"a custom operator's function was made with {value!r}: only numbers, words, arrays and lists of them name it in every process"
    )


def give_back(arrays):
    """Let the system have the whole pages of large arrays, whose contents are lost."""
    for array in arrays:
        if array.nbytes >= LARGE:
            first = -(-array.ctypes.data // mmap.PAGESIZE) * mmap.PAGESIZE
            size = (array.ctypes.data + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _DONT_NEED)


@functools.lru_cache(maxsize=None)
def copies_are_private():
    """Whether what a function may do to its inputs stays without effect on the graph's own arrays, in this MindSpore; tried once."""
    if not hasattr(ctypes.CDLL(None), "madvise"):
        return False

    def overwrite(x):
        x[:] = -1
        return x + 0

    operator = ops.Custom(overwrite, lambda x: x, lambda x: x, "pyfunc")

    @ms.jit
    def probe(x):
        y = x + 1
        done = operator(y)
        return done, ops.depend(y, done) * 2, operator(x), ops.depend(x, done) * 2

    ones = Tensor(np.ones(8, np.float32))
    _, y, _, x = (part.asnumpy() for part in probe(ones))
    return bool((y == 4).all() and (x == 2).all() and (ones.asnumpy() == 1).all())
