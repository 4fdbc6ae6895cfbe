"""oneDNN's convolutions in oneDNN's own blocked layouts, called through oneDNN 2.2's C interface (ctypes).

The library is the `libdnnl` that MindSpore 2.8 brings. MindSpore gives it arrays in plain [B, C, H, W]
layout. For those, oneDNN has no better method than to copy every window into a buffer and to multiply
matrices. Where it may choose the layout, it generates machine code for the shape: a third faster on maps of
many channels, twice as fast on few, and without the buffer. Here arrays are reordered into that layout and
back, which takes 2% of a 3x3 convolution.

Used are: memory descriptors and memories, one CPU engine, one stream a thread, convolution primitives,
reorder primitives and `dnnl_sgemm`. Functions are declared in its header dnnl.h; constants are in
`onednn_constants.py` (dnnl_types.h).

Any number of threads may call at once. Each call computes on its own thread, with scratch memory of that
thread: oneDNN's own scratch memory belongs to the thread that created a primitive, or to the primitive.
"""

from __future__ import annotations

import ctypes
import functools
import math
import threading
from pathlib import Path

import mindspore as ms
import numpy as np

from . import onednn_constants as dnnl

_SCRATCHPAD_BUFFER = 3  # a thread's buffers 0, 1, 2 hold x, w and y in oneDNN's layout

_LOCK = threading.RLock()


def compute_once(function):
    """`functools.lru_cache` that is safe in threads: for equal arguments all threads get the same object."""
    cached = functools.lru_cache(maxsize=None)(function)

    @functools.wraps(function)
    def locked(*arguments):
        with _LOCK:
            return cached(*arguments)

    return locked


class _Argument(ctypes.Structure):
    """dnnl_exec_arg_t."""

    _fields_ = [("index", ctypes.c_int), ("memory", ctypes.c_void_p)]


@compute_once
def _library():
    """MindSpore's oneDNN 2.x, or None where it brings none."""
    for path in sorted((Path(ms.__file__).parent / "lib").glob("libdnnl*")):
        library = ctypes.CDLL(str(path))
        if hasattr(library, "dnnl_convolution_forward_desc_init"):  # 3.x has other functions
            library.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
            library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
            return library
    return None


def is_available() -> bool:
    """Whether MindSpore brings a oneDNN 2.x."""
    return _library() is not None


def _call(name, *arguments):
    """Call a function of oneDNN by name; RuntimeError if its status is not dnnl_success."""
    status = getattr(_library(), name)(*arguments)
    if status:
        raise RuntimeError(f"oneDNN: {name} ended with status {status}")


def _create(function, *arguments):
    """The handle that a dnnl_*_create function writes to where its first argument points."""
    handle = ctypes.c_void_p()
    _call(function, ctypes.byref(handle), *arguments)
    return handle


def _dims(*values):
    """dnnl_dims_t."""
    return (ctypes.c_int64 * dnnl.MAX_DIMS)(*values)


@compute_once
def _engine():
    return _create("dnnl_engine_create", dnnl.CPU, ctypes.c_size_t(0))


@compute_once
def _attributes():
    attributes = _create("dnnl_primitive_attr_create")
    _call("dnnl_primitive_attr_set_scratchpad_mode", attributes, dnnl.SCRATCHPAD_USER)
    return attributes


class _ThreadState(threading.local):
    """What a thread keeps between calls: its stream, and its scratch buffers."""

    def __init__(self):
        self.stream = _create("dnnl_stream_create", _engine(), dnnl.DEFAULT_STREAM)
        self.buffers = {}

    def buffer(self, name, size):
        """A float32 array of at least `size` numbers. All convolutions share one a name; it grows."""
        if name not in self.buffers or self.buffers[name].size < size:
            self.buffers.pop(name, None)
            self.buffers[name] = np.empty(size, np.float32)
        return self.buffers[name]

    def execute(self, primitive, arguments):
        array = (_Argument * len(arguments))(*arguments)
        _call("dnnl_primitive_execute", primitive, self.stream, len(arguments), array)
        _call("dnnl_stream_wait", self.stream)


@compute_once
def _thread_state():
    return _ThreadState()


def scratch_buffer(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialized float32 array of the calling thread. Its next call with `name` reuses the memory."""
    size = math.prod(shape)
    return _thread_state().buffer(name, size)[:size].reshape(shape)


def matmul(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, transpose_b: bool = False, accumulate: bool = False
) -> None:
    """c = a b of float32 matrices with contiguous rows, by dnnl_sgemm.

    Args:
        a: [M, K].
        b: [K, N], or [N, K] if `transpose_b`.
        c: [M, N], the result.
        transpose_b: c = a b^T.
        accumulate: add the product to c.
    """
    integer = ctypes.c_int64
    _call(
        "dnnl_sgemm",
        ctypes.c_char(b"N"),
        ctypes.c_char(b"T" if transpose_b else b"N"),
        integer(c.shape[0]),
        integer(c.shape[1]),
        integer(a.shape[1]),
        ctypes.c_float(1.0),  # alpha
        ctypes.c_void_p(a.ctypes.data),
        integer(a.shape[1]),
        ctypes.c_void_p(b.ctypes.data),
        integer(b.shape[1]),
        ctypes.c_float(float(accumulate)),  # beta
        ctypes.c_void_p(c.ctypes.data),
        integer(c.shape[1]),
    )


def _strided_descriptor(shape, strides):
    """The memory descriptor of a float32 array with these strides, counted in numbers, not bytes."""
    raw = ctypes.create_string_buffer(dnnl.DESCRIPTOR_BYTES)
    _call("dnnl_memory_desc_init_by_strides", raw, len(shape), _dims(*shape), dnnl.FLOAT32, _dims(*strides))
    return raw


def _any_layout_descriptor(shape):
    """The memory descriptor of a float32 array whose layout oneDNN chooses."""
    raw = ctypes.create_string_buffer(dnnl.DESCRIPTOR_BYTES)
    _call("dnnl_memory_desc_init_by_tag", raw, len(shape), _dims(*shape), dnnl.FLOAT32, dnnl.ANY_LAYOUT)
    return raw


class Convolution:
    """One of the three computations of a convolution of fixed shapes: y, the gradient of x, or that of w.

    It is created once for a kind and shapes (`convolution`) and may run in many threads at a time.

    Args:
        kind: 'forward' computes y from x and w; 'input' computes x's gradient from w and y's gradient;
            'weight' computes w's gradient from x and y's gradient.
        x: shape (B, C, H, W).
        w: shape (O, C, k, k).
        y: shape (B, O, H', W').
        stride, padding: of both axes.
    """

    _ARGUMENTS = {
        "forward": (dnnl.SRC, dnnl.WEIGHTS, dnnl.DST),
        "input": (dnnl.DIFF_SRC, dnnl.WEIGHTS, dnnl.DIFF_DST),
        "weight": (dnnl.SRC, dnnl.DIFF_WEIGHTS, dnnl.DIFF_DST),
    }
    _RESULT = {"forward": 2, "input": 0, "weight": 1}  # which of x, w, y is computed

    def __init__(self, kind, x, w, y, stride, padding):
        self.shapes = (x, w, y)
        self.arguments = self._ARGUMENTS[kind]
        self.result = self._RESULT[kind]
        self.description = self._describe(kind, _dims(stride, stride), _dims(padding, padding))
        # the layouts of the three arrays and of the scratch memory
        self.layouts = [
            ctypes.c_void_p(_library().dnnl_primitive_desc_query_md(self.description, dnnl.QUERIES[index], 0))
            for index in (*self.arguments, dnnl.SCRATCHPAD)
        ]
        self.sizes = [-(-_library().dnnl_memory_desc_get_size(layout) // 4) for layout in self.layouts]
        self.primitive = _create("dnnl_primitive_create", self.description)
        self.reorders = {}

    def _describe(self, kind, strides, padding):
        """The primitive descriptor."""
        x, w, y = (_any_layout_descriptor(shape) for shape in self.shapes)
        bias = _any_layout_descriptor((self.shapes[1][0],)) if kind == "forward" else None
        geometry = (strides, padding, padding)
        forward = ctypes.create_string_buffer(dnnl.DESCRIPTOR_BYTES)
        arrays = (x, w, bias, y)
        _call(
            "dnnl_convolution_forward_desc_init",
            forward,
            dnnl.FORWARD_TRAINING,
            dnnl.DIRECT,
            *arrays,
            *geometry,
        )
        description = _create("dnnl_primitive_desc_create", forward, _attributes(), _engine(), None)
        if kind == "forward":
            return description
        backward = ctypes.create_string_buffer(dnnl.DESCRIPTOR_BYTES)
        if kind == "input":
            _call("dnnl_convolution_backward_data_desc_init", backward, dnnl.DIRECT, x, w, y, *geometry)
        else:
            _call(
                "dnnl_convolution_backward_weights_desc_init", backward, dnnl.DIRECT, x, w, None, y, *geometry
            )
        return _create("dnnl_primitive_desc_create", backward, _attributes(), _engine(), description)

    def run(self, x: np.ndarray, w: np.ndarray, y: np.ndarray, bias: np.ndarray | None = None) -> None:
        """Fill the result's array from the other two. Any strides. 'forward' adds bias [O]."""
        thread = _thread_state()
        memories = []
        arguments = []

        def memory(layout, array):
            data = ctypes.c_void_p(array.ctypes.data)
            memories.append(_create("dnnl_memory_create", layout, _engine(), data))
            return memories[-1]

        reorder_result = None
        for position, array in enumerate((x, w, y)):
            descriptor, reorder = self._reorder(position, tuple(stride // 4 for stride in array.strides))
            plain = memory(descriptor, array)
            buffer = thread.buffer(position, self.sizes[position])
            blocked = memory(self.layouts[position], buffer)
            arguments.append((self.arguments[position], blocked))
            if position == self.result:
                reorder_result = (reorder, ((dnnl.SRC, blocked), (dnnl.DST, plain)))
            else:
                thread.execute(reorder, ((dnnl.SRC, plain), (dnnl.DST, blocked)))
        scratchpad_size = self.sizes[3]
        if scratchpad_size:
            buffer = thread.buffer(_SCRATCHPAD_BUFFER, scratchpad_size)
            arguments.append((dnnl.SCRATCHPAD, memory(self.layouts[3], buffer)))
        if bias is not None:
            arguments.append((dnnl.BIAS, memory(_strided_descriptor(bias.shape, (1,)), bias)))
        thread.execute(self.primitive, arguments)
        thread.execute(*reorder_result)
        for one in memories:
            _call("dnnl_memory_destroy", one)

    def _reorder(self, position, strides):
        """(descriptor, primitive) for x, w or y (position 0, 1, 2) with these strides.

        The primitive copies the array into oneDNN's layout or, for the result, out of it.
        """
        if (position, strides) not in self.reorders:
            plain = _strided_descriptor(self.shapes[position], strides)
            blocked = self.layouts[position]
            source, target = (blocked, plain) if position == self.result else (plain, blocked)
            description = _create(
                "dnnl_reorder_primitive_desc_create", source, _engine(), target, _engine(), _attributes()
            )
            self.reorders[position, strides] = plain, _create("dnnl_primitive_create", description)
        return self.reorders[position, strides]


@compute_once
def convolution(
    kind: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...], stride: int, padding: int
) -> Convolution:
    """The `Convolution` of that kind and those shapes; created at the first call."""
    return Convolution(kind, x, w, y, stride, padding)
