"""Python functions as operators of the graph: their results, and the release of large inputs' copies."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from src.maskrcnn.cpu.custom_operator import LARGE, custom_operator, inputs_are_copies, release_pages


def resident(address):
    """Kilobytes in memory of the mapping that holds an address."""
    inside = False
    for line in open("/proc/self/smaps"):
        head = line.split()[0]
        if "-" in head and not head.endswith(":"):
            low, high = (int(part, 16) for part in head.split("-"))
            inside = low <= address < high
        elif inside and head == "Rss:":
            return int(line.split()[1])
    return None


def test_inputs_stay_and_their_copies_are_released(rng):
    """The graph uses x and a parameter after the operator; three times, to fill released copies again."""
    assert inputs_are_copies()
    seen = []

    def double(x):
        seen.append(x.ctypes.data + x.nbytes // 2)
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
    assert all(resident(address) < 2048 for address in seen[-2:])  # of 16 MiB each


def test_only_large_arrays_are_released(rng):
    small = np.ones(100, np.float32)
    large = np.ones(LARGE, np.float32)
    release_pages((small, large))
    assert small.sum() == 100 and large.sum() < 3000  # only whole pages are released, not its two ends
