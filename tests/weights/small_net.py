"""A network of four parameters, for the tests of checkpoints."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn


class Part(nn.Cell):
    def __init__(self, value):
        super().__init__()
        self.weight = Parameter(Tensor(np.full((2, 3), value, np.float32)))
        self.bias = Parameter(Tensor(np.full((3,), value, np.float32)))


class Net(nn.Cell):
    """Names as the real network has them: backbone.* and others."""

    def __init__(self, value=0.0):
        super().__init__()
        self.backbone = Part(value)
        self.rpn = Part(value)


def values(network):
    return {name: parameter.asnumpy().copy() for name, parameter in network.parameters_dict().items()}
