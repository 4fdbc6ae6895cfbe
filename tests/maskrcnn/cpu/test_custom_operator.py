"""Python functions as operators of the graph: their results, and the release of large inputs' copies."""

from __future__ import annotations

import mmap

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from src.maskrcnn.cpu.custom_operator import LARGE, custom_operator, inputs_are_copies, release_pages


def resident_pages(address, size):
    """How many whole pages of these bytes are in memory, by /proc/self/pagemap."""
    first = -(-address // mmap.PAGESIZE)
    count = (address + size) // mmap.PAGESIZE - first
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        pagemap.seek(first * 8)
        entries = np.frombuffer(pagemap.read(count * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum())


def test_inputs_stay_and_their_copies_are_released(rng):
    """The graph uses x and a parameter after the operator; three times, to fill released copies again."""
    assert inputs_are_copies()
    seen = []

    def double(x):
        seen.append((x.ctypes.data, x.nbytes))
        return 2 * x

    operator = custom_operator(double, lambda x: x, lambda x: x)
    weight = ms.Parameter(Tensor(rng.normal(0, 1, (64, LARGE // 64)).astype(np.float32)), name="weight")

    @ms.jit
    def run(x):
        moved = x + 1
        first = operator(moved)
        second = operator(weight)
        return first, ops.depend(moved, first) * 1, second, ops.depend(weight, second) * 1

    for _ in range(3):
        x = rng.normal(0, 1, weight.shape).astype(np.float32)
        first, moved, second, kept = (part.asnumpy() for part in run(Tensor(x)))
        np.testing.assert_array_equal(moved, x + 1)
        np.testing.assert_array_equal(first, 2 * moved)
        np.testing.assert_array_equal(kept, weight.asnumpy())
        np.testing.assert_array_equal(second, 2 * kept)
    # Of 4,096 pages each. The copies are MindSpore's for good, so nothing else has taken their place.
    assert [resident_pages(*copy) for copy in seen[-2:]] == [0, 0]


def test_only_large_arrays_are_released(rng):
    small = np.ones(100, np.float32)
    large = np.ones(LARGE, np.float32)
    release_pages((small, large))
    assert small.sum() == 100 and large.sum() < 3000  # only whole pages are released, not its two ends
