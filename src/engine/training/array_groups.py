"""Arrays joined to a few large ones, so that what is done to each of them takes a few operators.

A network has hundreds of weights, and on Ascend the host's time of a step is proportional to the number of
operators that it launches.
"""

from __future__ import annotations

from typing import Sequence

from mindspore import mint, nn, ops


class ArrayGroups(nn.Cell):
    """Groups of arrays of one mark that differ in their first axis only, each joined along it.

    So no array has to be reshaped, which would be an operator for each.

    Args:
        shapes: The arrays' shapes.
        marks: A number for each array.

    Attributes:
        marks: A tuple of the groups' marks.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], marks: Sequence[float]):
        super().__init__(auto_prefix=False)
        groups = {}
        for number, (shape, mark) in enumerate(zip(shapes, marks)):
            groups.setdefault((mark, tuple(shape[1:])), []).append(number)
        self.marks = tuple(mark for mark, _ in groups)
        self.groups = tuple(tuple(numbers) for numbers in groups.values())
        self.lengths = tuple(tuple(int(shapes[number][0]) for number in group) for group in self.groups)
        # For each array the group that it is in, and its number there.
        positions = {
            number: (group, place)
            for group, numbers in enumerate(self.groups)
            for place, number in enumerate(numbers)
        }
        self.positions = tuple(positions[number] for number in range(len(shapes)))

    def join(self, arrays):
        """A tuple of the groups, given a tuple of the arrays."""
        joined = ()
        for group in self.groups:
            members = [arrays[number] for number in group]
            joined += (ops.concat(members) if len(members) > 1 else members[0],)
        return joined

    def split(self, joined):
        """A tuple of the arrays, given a tuple of the groups."""
        parts = ()
        for group, lengths in zip(joined, self.lengths):
            parts += (mint.split(group, lengths) if len(lengths) > 1 else (group,),)
        arrays = ()
        for group, place in self.positions:
            arrays += (parts[group][place],)
        return arrays


class GroupMeans(nn.Cell):
    """The means of arrays over the devices, with an all-reduce for each group of them.

    MindSpore's own cell (`nn.DistributedGradReducer`) has one for each array: they are meant to be fused
    later, and at jit_level O0 they are not.

    Args:
        groups: The groups that the arrays are joined to.
        device_num: The number of devices.
    """

    def __init__(self, groups: ArrayGroups, device_num: int):
        super().__init__(auto_prefix=False)
        self.groups = groups
        self.all_reduce = ops.AllReduce()
        self.share = 1.0 / device_num

    def construct(self, arrays):
        """A tuple of the arrays' means, given a tuple of the arrays."""
        means = ()
        for group in self.groups.join(arrays):
            means += (self.all_reduce(group) * self.share,)
        return self.groups.split(means)
