"""oneDNN's convolutions in oneDNN's own blocked layouts, through the C interface of the library that MindSpore 2.8 brings (oneDNN 2.2).

MindSpore hands its maps over as they lie, [B, C, H, W]; for that oneDNN has nothing better than laying every window out in memory and
multiplying matrices. Where it may choose the layout it has machine code made for the shape: a third faster on maps of many channels, twice
as fast on few, and no windows in memory. Here the arrays are turned into that layout and back, which costs 2% of a 3x3 convolution.

Any number of threads may call at once; each call computes on its own thread. That needs scratch memory of the caller's: the library's own
belongs to the thread that made a primitive, or to the primitive.
"""

from __future__ import annotations

import ctypes
import functools
import math
import threading
from pathlib import Path

import mindspore as ms
import numpy as np

# Numbers of oneDNN 2.x's dnnl_types.h
_FLOAT32, _ANY_LAYOUT, _CPU, _DEFAULT_STREAM = 3, 1, 1, 1
_FORWARD_TRAINING, _DIRECT, _SCRATCH_BY_CALLER = 64, 1, 1
_SRC, _DST, _WEIGHTS, _BIAS, _SCRATCH, _DIFF_SRC, _DIFF_DST, _DIFF_WEIGHTS = 1, 17, 33, 41, 80, 129, 145, 161
_QUERIES = {
    _SRC: 129,
    _DIFF_SRC: 130,
    _WEIGHTS: 131,
    _DIFF_WEIGHTS: 132,
    _DST: 133,
    _DIFF_DST: 134,
    _SCRATCH: 136,
}
_INT = ctypes.c_int64
_DESCRIPTOR_BYTES = 16384  # more than any of its structures, whose fields are its own matter


_LOCK = threading.RLock()


def once(function):
    """`function` computed once for each of its arguments, also where threads ask for the first time together: two engines would not fit."""
    cached = functools.lru_cache(maxsize=None)(function)

    @functools.wraps(function)
    def locked(*words):
        with _LOCK:
            return cached(*words)

    return locked


class _Argument(ctypes.Structure):
    _fields_ = [("index", ctypes.c_int), ("memory", ctypes.c_void_p)]


@once
def _library():
    """MindSpore's oneDNN 2.x, or None where it brings none."""
    for path in sorted((Path(ms.__file__).parent / "lib").glob("libdnnl*")):
        library = ctypes.CDLL(str(path))
        if hasattr(library, "dnnl_convolution_forward_desc_init"):  # 3.x has other functions
            library.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
            library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
            return library
    return None


def is_here():
    return _library() is not None


def _call(name, *arguments):
    status = getattr(_library(), name)(*arguments)
    if status:
        raise RuntimeError(f"oneDNN: {name} ended with status {status}")


def _made(function, *arguments):
    """The object that a function leaves where its first argument points."""
    made = ctypes.c_void_p()
    _call(function, ctypes.byref(made), *arguments)
    return made


def _numbers(*values):
    return (ctypes.c_int64 * 12)(*values)


@once
def _engine():
    return _made("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


@once
def _attributes():
    attributes = _made("dnnl_primitive_attr_create")
    _call("dnnl_primitive_attr_set_scratchpad_mode", attributes, _SCRATCH_BY_CALLER)
    return attributes


class _Thread(threading.local):
    """What a thread keeps from call to call: its stream, and the blocks that arrays in oneDNN's layout are put in."""

    def __init__(self):
        self.stream = _made("dnnl_stream_create", _engine(), _DEFAULT_STREAM)
        self.blocks = {}

    def block(self, name, floats):
        """A float32 array of at least that many numbers: one a name, grown as needed and shared by all convolutions."""
        if name not in self.blocks or self.blocks[name].size < floats:
            self.blocks.pop(name, None)
            self.blocks[name] = np.empty(floats, np.float32)
        return self.blocks[name]

    def run(self, primitive, arguments):
        _call(
            "dnnl_primitive_execute",
            primitive,
            self.stream,
            len(arguments),
            (_Argument * len(arguments))(*arguments),
        )
        _call("dnnl_stream_wait", self.stream)


@once
def _thread():
    return _Thread()


def scratch(name, shape):
    """A float32 array of the calling thread's own, with anything in it, until that thread asks for `name` again."""
    floats = math.prod(shape)
    return _thread().block(name, floats)[:floats].reshape(shape)


def multiply(a, b, c, turned=False, add=False):
    """c = a b, or a b^T if `turned`, for float32 matrices whose rows lie one after the other; `add`: c += it."""
    words = (
        b"N",
        b"T" if turned else b"N",
        c.shape[0],
        c.shape[1],
        a.shape[1],
        1.0,
        a,
        a.shape[1],
        b,
        b.shape[1],
        float(add),
        c,
        c.shape[1],
    )
    kinds = (
        ctypes.c_char,
        ctypes.c_char,
        _INT,
        _INT,
        _INT,
        ctypes.c_float,
        None,
        _INT,
        None,
        _INT,
        ctypes.c_float,
        None,
        _INT,
    )
    _call(
        "dnnl_sgemm",
        *(
            ctypes.c_void_p(word.ctypes.data) if kind is None else kind(word)
            for kind, word in zip(kinds, words)
        ),
    )


def _plain(shape, strides):
    """The descriptor of a float32 array of that shape and those strides, counted in numbers."""
    raw = ctypes.create_string_buffer(_DESCRIPTOR_BYTES)
    _call("dnnl_memory_desc_init_by_strides", raw, len(shape), _numbers(*shape), _FLOAT32, _numbers(*strides))
    return raw


def _free(shape):
    """The descriptor of a float32 array whose layout oneDNN chooses."""
    raw = ctypes.create_string_buffer(_DESCRIPTOR_BYTES)
    _call("dnnl_memory_desc_init_by_tag", raw, len(shape), _numbers(*shape), _FLOAT32, _ANY_LAYOUT)
    return raw


class Convolution:
    """What is computed, of a convolution of x [B, C, H, W] by w [O, C, k, k] that gives y [B, O, H', W'], all float32.

    kind: 'forward' computes y of x and w, 'input' x's gradient of w and y's gradient, 'weight' w's gradient of x and y's gradient. Made once a
    kind and shape (`convolution`), it may run in many threads at a time.
    """

    _ARGUMENTS = {
        "forward": (_SRC, _WEIGHTS, _DST),
        "input": (_DIFF_SRC, _WEIGHTS, _DIFF_DST),
        "weight": (_SRC, _DIFF_WEIGHTS, _DIFF_DST),
    }
    _RESULT = {"forward": 2, "input": 0, "weight": 1}

    def __init__(self, kind, x, w, y, stride, padding):
        self.shapes, self.arguments, self.result = (x, w, y), self._ARGUMENTS[kind], self._RESULT[kind]
        arrays, bias = [_free(shape) for shape in self.shapes], _free((w[0],)) if kind == "forward" else None
        geometry = _numbers(stride, stride), _numbers(padding, padding), _numbers(padding, padding)
        forward = ctypes.create_string_buffer(_DESCRIPTOR_BYTES)
        _call(
            "dnnl_convolution_forward_desc_init",
            forward,
            _FORWARD_TRAINING,
            _DIRECT,
            arrays[0],
            arrays[1],
            bias,
            arrays[2],
            *geometry,
        )
        description = _made("dnnl_primitive_desc_create", forward, _attributes(), _engine(), None)
        if kind != "forward":
            backward = ctypes.create_string_buffer(_DESCRIPTOR_BYTES)
            if kind == "input":
                _call("dnnl_convolution_backward_data_desc_init", backward, _DIRECT, *arrays, *geometry)
            else:
                _call(
                    "dnnl_convolution_backward_weights_desc_init",
                    backward,
                    _DIRECT,
                    arrays[0],
                    arrays[1],
                    None,
                    arrays[2],
                    *geometry,
                )
            description = _made("dnnl_primitive_desc_create", backward, _attributes(), _engine(), description)
        # the three arrays' layouts, and the scratch memory's
        self.layouts = [
            ctypes.c_void_p(_library().dnnl_primitive_desc_query_md(description, _QUERIES[index], 0))
            for index in (*self.arguments, _SCRATCH)
        ]
        self.floats = [-(-_library().dnnl_memory_desc_get_size(layout) // 4) for layout in self.layouts]
        self.description, self.primitive = description, _made("dnnl_primitive_create", description)
        self.turns = {}

    def run(self, x, w, y, bias=None):
        """Fill the result's array from the other two; views of any strides. 'forward' adds bias [O]."""
        thread, memories, arguments, last = _thread(), [], [], None

        def memory(layout, array):
            memories.append(
                _made("dnnl_memory_create", layout, _engine(), ctypes.c_void_p(array.ctypes.data))
            )
            return memories[-1]

        for place, array in enumerate((x, w, y)):
            plain, turn = self.turn(place, tuple(stride // 4 for stride in array.strides))
            outside, inside = (
                memory(plain, array),
                memory(self.layouts[place], thread.block(place, self.floats[place])),
            )
            arguments.append((self.arguments[place], inside))
            if place == self.result:
                last = turn, ((_SRC, inside), (_DST, outside))
            else:
                thread.run(turn, ((_SRC, outside), (_DST, inside)))
        if self.floats[3]:
            arguments.append((_SCRATCH, memory(self.layouts[3], thread.block(3, self.floats[3]))))
        if bias is not None:
            arguments.append((_BIAS, memory(_plain(bias.shape, (1,)), bias)))
        thread.run(self.primitive, arguments)
        thread.run(*last)
        for one in memories:
            _call("dnnl_memory_destroy", one)

    def turn(self, place, strides):
        """(descriptor of the array as it lies, what copies it into oneDNN's layout or, for the result, out of it)."""
        if (place, strides) not in self.turns:
            plain, layout = _plain(self.shapes[place], strides), self.layouts[place]
            source, target = (layout, plain) if place == self.result else (plain, layout)
            description = _made(
                "dnnl_reorder_primitive_desc_create", source, _engine(), target, _engine(), _attributes()
            )
            self.turns[place, strides] = plain, _made("dnnl_primitive_create", description)
        return self.turns[place, strides]


@once
def convolution(kind, x, w, y, stride, padding):
    """The `Convolution` of that kind and those shapes."""
    return Convolution(kind, x, w, y, stride, padding)
