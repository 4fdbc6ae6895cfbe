"""A network that computes with a few large arrays, each of which joins many of its weights.

On Ascend that saves what would be launched for each weight: its conversion to float16 and that of its
gradient, its part in the norm of the gradients, its decay and its update.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.common.initializer import initializer

from ...maskrcnn.ops.gather import split_with_size
from ...network_define import TrainOneStep
from .array_groups import ArrayGroups
from .folded_norms import FOLDED, FoldedNorms

# A joined array's name is this and its number; that of what an optimiser keeps for it is KIND.joined.NUMBER.
_NAME = "joined."
_SLOT = "gradient."  # before the weight's name


class JoinedWeights:
    """A network's weights, joined; its layers compute with parts of the joined arrays from then on.

    The values of the network's own parameters are not read, nor changed by training; see `JoinedStep`.

    Args:
        network: Its layers have for each trained parameter NAME the attributes NAME_value and NAME_type, as
            `maskrcnn.layers.own_value` says.
        weights: Its trained parameters.
        decays: The weight decay of each. Only arrays of one decay are joined.

    Attributes:
        weights: As above.
        slots: What gradients are taken of: for each weight a parameter of its shape, in the type that its
            layer reads it in. MindSpore gives a gradient the type of its parameter. Their values are not
            read.
        groups: Which arrays are joined, an `ArrayGroups`.
        parameters: The joined arrays, float32.
        decays: The weight decay of each.
        folded: The network's `FoldedNorms`.
        rows: For each joined array what its rows are multiplied with before layers compute with them, or
            None (`FoldedNorms.rows`).
    """

    def __init__(self, network: nn.Cell, weights: Sequence[Parameter], decays: Sequence[float]):
        # Before the layers' types are read: it changes them.
        self.folded = FoldedNorms(network)
        layers = _layers(network)
        marks = [(decay, str(layers[weight.name][2])) for weight, decay in zip(weights, decays)]
        self.groups = ArrayGroups([weight.shape for weight in weights], marks)
        self.decays = tuple(decay for decay, _ in self.groups.marks)
        self.weights = list(weights)
        self.slots = []
        self.parameters = []
        self.rows = []
        for number, members in enumerate(self.groups.members):
            self.rows.append(self.folded.rows(number, [weights[member] for member in members]))
            value = np.concatenate([weights[member].asnumpy() for member in members])
            self.parameters.append(Parameter(Tensor(value), name=f"{_NAME}{number}", requires_grad=False))
        for weight, (group, place) in zip(weights, self.groups.positions):
            layer, name, kind = layers[weight.name]
            slot = Parameter(initializer("zeros", weight.shape, kind), name=_SLOT + weight.name)
            lengths = self.groups.lengths[group]
            part = _part(slot, self.parameters[group], self.rows[group], lengths, place)
            setattr(layer, f"{name}_value", part)
            self.slots.append(slot)


def _layers(network: nn.Cell) -> Dict[str, Tuple[nn.Cell, str, ms.Type]]:
    """{name of a trained parameter: (its layer, its attribute there, the type that it is read in)}."""
    found = {}
    for _, layer in network.cells_and_names():
        for name, parameter in layer.parameters_dict(recurse=False).items():
            if parameter.requires_grad:
                attribute = name.rsplit(".", 1)[-1]
                kind = getattr(layer, f"{attribute}_type", None)
                if kind is None:
                    raise ValueError(
                        f"{parameter.name} cannot be joined: its layer needs the parameter itself"
                    )
                found[parameter.name] = (layer, attribute, kind)
    return found


class _InPlaceOf(nn.Cell):
    """A value that a layer computes with in place of a slot, which gets the gradient."""

    def construct(self, slot, value):
        return value

    def bprop(self, slot, value, out, dout):
        return dout, ops.zeros_like(value)


_in_place_of = _InPlaceOf()


def _part(
    slot: Parameter, joined: Parameter, rows: Optional[Parameter], lengths: Tuple[int, ...], place: int
) -> Callable:
    """A function that a layer calls as `own_value`: the array at `place` among those that are joined.

    With `rows` the joined array is multiplied by them; the gradient of the product is what the slot gets.

    Each layer converts and splits the joined array again; MindSpore computes what is equal once. The parts
    are no views, as those of `mint.split` would be, which many of Ascend's operators first have to copy.
    """
    if rows is None:

        def read(dtype):
            return joined.astype(dtype)

    else:

        def read(dtype):
            return (joined * rows).astype(dtype)

    if len(lengths) == 1:

        def whole(parameter, dtype):
            return _in_place_of(slot, read(dtype))

        return whole

    def part(parameter, dtype):
        return _in_place_of(slot, split_with_size(read(dtype), lengths, 0)[place])

    return part


class JoinedStep(TrainOneStep):
    """A training step of a network with `JoinedWeights`.

    What a checkpoint holds is what that of any other step does: an array for each weight, and what the
    optimiser and others keep for it. `checkpoint_parameters` brings these up to date.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        members = self.optimizer.joined.groups.members
        # (joined array, the arrays of a checkpoint that it joins)
        self.pairs: List[Tuple[Parameter, List[Parameter]]] = []
        for name, joined in self.parameters_dict().items():
            if _is_joined(name):
                kind, number = name.rsplit(_NAME, 1)
                weights = [self.optimizer.joined.weights[member] for member in members[int(number)]]
                arrays = [_like(weight, kind) if kind else weight for weight in weights]
                self.pairs.append((joined, arrays))
        # Layers read them through functions: here they become parameters of this cell.
        self.folded_arrays = ParameterTuple(self.optimizer.joined.folded.arrays)
        self.progress = {"is newer": True}

    def __call__(self, *inputs):
        self.progress["is newer"] = True
        return super().__call__(*inputs)

    def checkpoint_parameters(self) -> Dict[str, Parameter]:
        """As of `TrainOneStep`; the network's own parameters are up to date after it."""
        if self.progress["is newer"]:
            for joined, arrays in self.pairs:
                ends = np.cumsum([array.shape[0] for array in arrays])[:-1]
                for array, value in zip(arrays, np.split(joined.asnumpy(), ends)):
                    array.set_data(Tensor(np.array(value)))  # a copy: MindSpore may keep what it is given
            self.progress["is newer"] = False
        found = {
            name: value
            for name, value in self.parameters_dict().items()
            if not _is_joined(name) and not name.startswith((_SLOT, FOLDED))
        }
        for _, arrays in self.pairs:
            found.update({array.name: array for array in arrays})
        return found

    def take_over(self) -> None:
        """As of `TrainOneStep`."""
        for joined, arrays in self.pairs:
            joined.set_data(Tensor(np.concatenate([array.asnumpy() for array in arrays])))
        self.optimizer.joined.folded.update()
        self.progress["is newer"] = False


def _is_joined(name: str) -> bool:
    """Whether it is the name of a joined array; MindSpore may put the names of cells before it."""
    head, _, number = name.rpartition(_NAME)
    return number.isdigit() and (not head or head.endswith("."))


def _like(weight: Parameter, kind: str) -> Parameter:
    zeros = Tensor(np.zeros(weight.shape, np.float32))
    return Parameter(zeros, name=kind + weight.name, requires_grad=False)
