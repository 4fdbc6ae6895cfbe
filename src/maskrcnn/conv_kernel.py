"""The gradient of a convolution's weight on the CPU, compiled by Numba around oneDNN's matrix product, as a custom operator.

MindSpore 2.8 hands it to oneDNN 2.2's `gemm:jit`, which lays out every window of a picture in memory (9 times the map for a 3x3 kernel) for
each thread, and every convolution keeps its own: 1.1 GB for one at 2 x 256 x 192 x 320. It is also two to three times slower than the
convolution itself. Here a few rows at a time are laid out, and only along x: a shift in y is a shift in memory.
"""
from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import llvmlite.binding
import mindspore as ms
import numba
import numpy as np
from mindspore import ops
from numba import njit, prange, types

_SYMBOL = "maskrcnn_oneDNN_sgemm"
_floats = types.CPointer(types.float32)
# dnnl_sgemm(transa, transb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc), all row-major: C = alpha op(A) op(B) + beta C
_sgemm = types.ExternalFunction(_SYMBOL, types.int32(types.int8, types.int8, types.int64, types.int64, types.int64, types.float32,
                                                     _floats, types.int64, _floats, types.int64, types.float32, _floats, types.int64))
_NO, _YES = ord("N"), ord("T")
# A strip of this many rows keeps what is laid out within a few megabytes; shorter ones make the products too small.
STRIP = 4


@functools.lru_cache(maxsize=None)
def has_matrix_product():
    """Whether MindSpore's own oneDNN offers its matrix product; makes it known to Numba under `_SYMBOL`."""
    for path in sorted((Path(ms.__file__).parent / "lib").glob("libdnnl*")):
        library = ctypes.CDLL(str(path))
        if hasattr(library, "dnnl_sgemm"):
            llvmlite.binding.add_symbol(_SYMBOL, ctypes.cast(library.dnnl_sgemm, ctypes.c_void_p).value)
            return True
    return False


@njit(cache=True)
def lay_out(picture, first, rows, stride, padding, kernel, strip):
    """Fills strip [stride, kernel * C, rows * W'] with x of one picture [C, H, W]: strip[p, k * C + c, i * W' + j] is the zero-padded x[c] at
    row stride * (first + i) + p - padding and column stride * j + k - padding.
    """
    channels, height, width = picture.shape
    columns = strip.shape[2] // rows
    for phase in range(stride):
        for k in range(kernel):
            # output columns [low, high) read inside the map
            low = max(0, (padding - k + stride - 1) // stride)
            high = max(low, min(columns, (width - 1 + padding - k) // stride + 1))
            for c in range(channels):
                line = strip[phase, k * channels + c]
                for i in range(rows):
                    y = stride * (first + i) + phase - padding
                    part = line[i * columns:(i + 1) * columns]
                    if y < 0 or y >= height:
                        part[:] = 0.0
                        continue
                    part[:low] = 0.0
                    part[high:] = 0.0
                    source = picture[c, y]
                    if stride == 1:
                        part[low:high] = source[low + k - padding:high + k - padding]
                    else:
                        for j in range(low, high):
                            part[j] = source[stride * j + k - padding]


@njit(parallel=True, cache=True)
def weight_gradient(x, gradient, kernel, stride, padding, threads, out):
    """Fills out [O, C, k, k] with the gradient of the weight of a convolution of x [B, C, H, W], given that of its result [B, O, H', W']."""
    pictures, channels = x.shape[0], x.shape[1]
    outputs, height, width = gradient.shape[1], gradient.shape[2], gradient.shape[3]
    strips = (height + STRIP - 1) // STRIP
    rows = STRIP + (kernel - 1) // stride
    sums = np.zeros((threads, kernel, outputs, kernel * channels), np.float32)
    for thread in prange(threads):
        strip = np.empty((stride, kernel * channels, rows * width), np.float32)
        for job in range(pictures * strips * thread // threads, pictures * strips * (thread + 1) // threads):
            n, first = job // strips, job % strips * STRIP
            count = min(STRIP, height - first) * width
            lay_out(x[n], first, rows, stride, padding, kernel, strip)
            for k in range(kernel):
                _sgemm(_NO, _YES, outputs, kernel * channels, count, np.float32(1), gradient[n, 0, first:].ctypes, height * width,
                       strip[k % stride, 0, k // stride * width:].ctypes, rows * width, np.float32(1), sums[thread, k].ctypes, kernel * channels)
    for o in prange(outputs):
        for k in range(kernel):
            for j in range(kernel):
                for c in range(channels):
                    total = np.float32(0)
                    for thread in range(threads):
                        total += sums[thread, k, o, j * channels + c]
                    out[o, c, k, j] = total


def weight_gradient_operator(kernel, stride, padding):
    """Custom operator (x [B, C, H, W], gradient of the result [B, O, H', W']) -> gradient of the weight, float32 [O, C, k, k]."""
    threads = numba.get_num_threads()

    def conv_weight_gradient(x, gradient):
        out = np.empty((gradient.shape[1], x.shape[1], kernel, kernel), np.float32)
        weight_gradient(x, gradient, kernel, stride, padding, threads, out)
        return out

    def shape(x, gradient):
        return [gradient[1], x[1], kernel, kernel]

    def dtype(x, gradient):
        return x
    return ops.Custom(conv_weight_gradient, shape, dtype, "pyfunc")
