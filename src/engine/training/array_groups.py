"""Arrays joined to a few large ones, so that what is done to each of them takes a few operators.

A network has hundreds of weights, and on Ascend the host's time of a step is proportional to the number of
operators that it launches.
"""

from __future__ import annotations

from typing import Hashable, Optional, Sequence

import mindspore as ms
from mindspore import Parameter, ParameterTuple, nn, ops


class ArrayGroups(nn.Cell):
    """Groups of arrays of one mark that differ in their first axis only, each joined along it.

    So no array has to be reshaped, which would be an operator for each.

    Args:
        shapes: The arrays' shapes.
        marks: Something for each array, equal for arrays that may be joined.

    Attributes:
        marks: A tuple of the groups' marks.
        members: For each group a tuple of its arrays' numbers.
        lengths: For each group a tuple of its arrays' lengths along the first axis.
        positions: For each array its group, and its number there.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], marks: Sequence[Hashable]):
        super().__init__(auto_prefix=False)
        groups = {}
        for number, (shape, mark) in enumerate(zip(shapes, marks)):
            groups.setdefault((mark, tuple(shape[1:])), []).append(number)
        self.marks = tuple(mark for mark, _ in groups)
        self.members = tuple(tuple(numbers) for numbers in groups.values())
        self.lengths = tuple(tuple(int(shapes[number][0]) for number in group) for group in self.members)
        positions = {
            number: (group, place)
            for group, numbers in enumerate(self.members)
            for place, number in enumerate(numbers)
        }
        self.positions = tuple(positions[number] for number in range(len(shapes)))

    def join(self, arrays):
        """A tuple of the groups, given a tuple of the arrays."""
        joined = ()
        for group in self.members:
            members = [arrays[number] for number in group]
            joined += (ops.concat(members) if len(members) > 1 else members[0],)
        return joined


class JoinedGradients(nn.Cell):
    """Gradients joined to groups, in float32, and their means over the devices.

    They are joined in the type that they have, and then converted, which is one operator for each group.
    MindSpore's own cell for the means (`nn.DistributedGradReducer`) has an all-reduce for each array: they
    are meant to be fused later, and at jit_level O0 they are not.

    Args:
        groups: The groups that the arrays are joined to.
        device_num: The number of devices.
        rows: For each group what its gradients are multiplied with, or None. By default nothing is.
    """

    def __init__(
        self, groups: ArrayGroups, device_num: int, rows: Optional[Sequence[Optional[Parameter]]] = None
    ):
        super().__init__(auto_prefix=False)
        self.groups = groups
        rows = rows or [None] * len(groups.members)
        self.rows = ParameterTuple([row for row in rows if row is not None])
        # The place of each group's rows in that tuple, or -1.
        self.places = tuple(
            -1 if row is None else sum(other is not None for other in rows[:number])
            for number, row in enumerate(rows)
        )
        self.all_reduce = ops.AllReduce() if device_num > 1 else None
        self.share = 1.0 / device_num

    def construct(self, arrays):
        """A tuple of the groups' means, float32, given a tuple of the arrays."""
        means = ()
        for group, place in zip(self.groups.join(arrays), self.places):
            mean = group.astype(ms.float32)
            if place >= 0:
                mean = mean * self.rows[place]
            if self.all_reduce is not None:
                mean = self.all_reduce(mean) * self.share
            means += (mean,)
        return means
