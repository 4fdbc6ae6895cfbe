"""Python functions on NumPy arrays as operators of the graph, on the CPU.

All compiled kernels are called this way.

MindSpore 2.8 gives such a function copies of the operator's inputs and never frees the memory of these
copies: 1.2 GB of a training step at 768x1280. Here the pages of large copies are released after the call. The
next call's copy brings them back.

A graph refers to its functions by number. MindSpore takes their addresses. Here the number follows from the
function's name and values, so that a graph of the compile cache (`src/engine/runtime/compile_cache.py`) finds
its functions in another process.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import inspect
import mmap
from collections.abc import Callable, Iterable

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.ops.operations._pyfunc_registry import add_pyfunc

LARGE = 2**22  # bytes; releasing the pages of a smaller array is not worth a system call
_MADV_DONTNEED = 4  # of Linux's sys/mman.h
_names = set()  # of the operators created in this process


def custom_operator(function: Callable, shape: Callable, dtype: Callable) -> ops.Custom:
    """The operator of a function of NumPy arrays.

    Args:
        function: takes read-only arrays and returns new ones. Two functions of the same name, created with
            the same values, have to do the same: one may be called for the other.
        shape: the shapes of the results from the shapes of the inputs.
        dtype: the dtypes of the results from the dtypes of the inputs.
    """

    @functools.wraps(function)
    def call(*arrays):
        results = function(*arrays)
        release_pages(arrays)
        return results

    name = name_of(function)
    operator = ops.Custom(call if inputs_are_copies() else function, shape, dtype, "pyfunc")
    number = int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)
    add_pyfunc(number, operator.func)
    operator.add_prim_attr("fn_id", number)
    _names.add(name)
    return operator


def operator_names() -> frozenset[str]:
    """The names of all operators that were created in this process."""
    return frozenset(_names)


def name_of(function: Callable) -> str:
    """The function's module and qualified name, and the values of its closure.

    Raises:
        TypeError: a value has no text that is the same in every process.
    """
    values = inspect.getclosurevars(function).nonlocals
    return f"{function.__module__}.{function.__qualname__} {stable_text(values)}"


def stable_text(value) -> str:
    """Text that is equal for equal values, in every process."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()}"
    if isinstance(value, dict):
        return str([(name, stable_text(one)) for name, one in sorted(value.items())])
    if isinstance(value, (tuple, list)):
        return str([stable_text(one) for one in value])
    if isinstance(value, (type(None), bool, int, float, str, np.generic)):
        return repr(value)
    raise TypeError(
        f"a custom operator's function was made with {value!r}: "
        "only numbers, words, arrays and lists of them name it in every process"
    )


def release_pages(arrays: Iterable[np.ndarray]) -> None:
    """Return the whole pages of large arrays to the system. Their contents are lost."""
    for array in arrays:
        if array.nbytes >= LARGE:
            first = -(-array.ctypes.data // mmap.PAGESIZE) * mmap.PAGESIZE
            size = (array.ctypes.data + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _MADV_DONTNEED)


@functools.lru_cache(maxsize=None)
def inputs_are_copies() -> bool:
    """Whether this MindSpore gives an operator's function copies of the graph's arrays; tried once.

    Only then may the function's inputs be overwritten, and their pages released.
    """
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
