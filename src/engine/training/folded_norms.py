"""Frozen norms of a network in training, multiplied into their convolutions once and not in every step.

A frozen norm's four arrays never change. What they do to a channel, a scale and a shift, would take Ascend
six launches a norm in every step, and the scaling of a weight four with its gradient.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from ...maskrcnn.norms import FrozenNorm
from ...maskrcnn.resnet50 import ResNet

FOLDED = "folded."  # before the name of an array; none of them is in a checkpoint


class FoldedNorms:
    """The frozen norms of a network's backbone that its convolutions' weights take in.

    From then on these convolutions read the shift from here, and a weight with the scale in it. A weight that
    is not trained comes from here. The others come from the joined arrays, which are multiplied with `rows`.

    Args:
        network: Its weights are loaded; if they get other values later, call `update`.

    Attributes:
        arrays: The parameters that this has made.
    """

    def __init__(self, network: nn.Cell):
        backbones = [cell for _, cell in network.cells_and_names() if isinstance(cell, ResNet)]
        pairs = [pair for backbone in backbones for pair in backbone.convs_and_norms()]
        self.pairs = [(conv, norm) for conv, norm in pairs if isinstance(norm, FrozenNorm) and norm.folds]
        self.norms: Dict[str, FrozenNorm] = {conv.weight.name: norm for conv, norm in self.pairs}
        self.arrays: List[Parameter] = []
        self._values: List[Callable[[], np.ndarray]] = []
        for conv, norm in self.pairs:
            shift = self._add(norm.beta.name, conv.dtype, lambda norm=norm: factors(norm)[1])
            norm.shift_value = _reader(shift)
            norm.is_folded = True
            # Not float32, as `keep_exact` set it: the scale is in the weight before it is rounded.
            conv.weight_type = conv.dtype
            if not conv.weight.requires_grad:
                weight = self._add(
                    conv.weight.name,
                    conv.dtype,
                    lambda conv=conv, norm=norm: conv.weight.asnumpy() * _rows(factors(norm)[0]),
                )
                conv.weight_value = _reader(weight)

    def rows(self, number: int, weights: Sequence[Parameter]) -> Optional[Parameter]:
        """What the joined array `number` of `weights` is multiplied with; None: with nothing.

        It is float32 [rows, 1, 1, 1], the scale of a row's channel, or 1 where no frozen norm follows.
        """
        if not any(weight.name in self.norms for weight in weights):
            return None

        def value():
            return _rows(np.concatenate([self._scale(weight) for weight in weights]))

        return self._add(f"rows.{number}", ms.float32, value)

    def update(self) -> None:
        """Take over the values that the network's arrays have now."""
        for array, value in zip(self.arrays, self._values):
            array.set_data(Tensor(value(), dtype=array.dtype))

    def _scale(self, weight: Parameter) -> np.ndarray:
        if weight.name in self.norms:
            return factors(self.norms[weight.name])[0]
        return np.ones(weight.shape[0], np.float32)

    def _add(self, name: str, dtype: ms.Type, value: Callable[[], np.ndarray]) -> Parameter:
        array = Parameter(Tensor(value(), dtype=dtype), name=FOLDED + name, requires_grad=False)
        self.arrays.append(array)
        self._values.append(value)
        return array


def factors(norm: FrozenNorm):
    """(scale, shift), float32 [C] each, of the values that the norm has now; see `batch_norm_factors`."""
    gamma, beta, mean, variance = (
        array.asnumpy() for array in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma * (1 / np.sqrt(variance + np.float32(norm.eps)))
    return scale, beta - mean * scale


def _rows(scale: np.ndarray) -> np.ndarray:
    return scale.reshape(-1, 1, 1, 1)


def _reader(array: Parameter) -> Callable:
    """A function that a layer calls as `own_value`; the array has the layer's type already."""

    def read(parameter, dtype):
        return array

    return read
