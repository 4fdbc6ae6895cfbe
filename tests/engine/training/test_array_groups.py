"""Arrays joined to groups, and taken apart again, against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.engine.training.array_groups import ArrayGroups

SHAPES = ((2, 3, 1, 1), (4,), (5, 3, 1, 1), (7,), (6, 3), (1, 3, 1, 1), (2,))
MARKS = (0.1, 0.1, 0.1, 0.0, 0.1, 0.0, 0.1)
# Arrays of one mark that differ in the first axis only.
GROUPS = ((0, 2), (1, 6), (3,), (4,), (5,))


def test_arrays_that_differ_in_their_first_axis_and_have_one_mark_are_joined():
    rng = np.random.default_rng(0)
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    groups = ArrayGroups(SHAPES, MARKS)
    assert groups.marks == (0.1, 0.1, 0.0, 0.1, 0.0)

    @ms.jit
    def join_and_split(*tensors):
        joined = groups.join(tensors)
        return joined, groups.split(joined)

    joined, split = join_and_split(*(Tensor(array) for array in arrays))
    assert len(joined) == len(GROUPS) and len(split) == len(arrays)
    for got, numbers in zip(joined, GROUPS):
        np.testing.assert_array_equal(got.asnumpy(), np.concatenate([arrays[i] for i in numbers]))
    for got, array in zip(split, arrays):
        np.testing.assert_array_equal(got.asnumpy(), array)
