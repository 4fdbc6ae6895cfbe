"""Arrays joined to groups, against NumPy."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor

from src.engine.training.array_groups import ArrayGroups, JoinedGradients

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
    def join(*tensors):
        return groups.join(tensors)

    joined = join(*(Tensor(array) for array in arrays))
    assert groups.members == GROUPS and len(joined) == len(GROUPS)
    for got, numbers in zip(joined, GROUPS):
        np.testing.assert_array_equal(got.asnumpy(), np.concatenate([arrays[i] for i in numbers]))
    for number, array in enumerate(arrays):
        group, place = groups.positions[number]
        assert GROUPS[group][place] == number and groups.lengths[group][place] == len(array)


def test_gradients_of_a_group_are_multiplied_by_its_rows():
    """The second of three groups has none."""
    shapes = ((2, 3), (4,), (1, 3), (2, 5))
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape).astype(np.float16) for shape in shapes]
    factors = [
        rng.uniform(0.5, 2, (3, 1)).astype(np.float32),
        None,
        rng.uniform(0.5, 2, (2, 1)).astype(np.float32),
    ]
    rows = [
        value if value is None else Parameter(Tensor(value), name=f"rows{i}")
        for i, value in enumerate(factors)
    ]
    means = JoinedGradients(ArrayGroups(shapes, ("any",) * 4), 1, rows)(tuple(map(Tensor, arrays)))
    joined = [np.concatenate([arrays[0], arrays[2]]), arrays[1], arrays[3]]
    assert len(means) == 3
    for mean, value, factor in zip(means, joined, factors):
        assert mean.dtype == ms.float32
        expected = value.astype(np.float32) * (1 if factor is None else factor)
        np.testing.assert_allclose(mean.asnumpy(), expected, rtol=1e-6)
