"""Run a graph with a condition on the stand-ins of CANN's libraries.

    python -m tests.ascend.programs.condition [THREADS]

Prints "done" after a launch. THREADS is what a user chooses with `dispatch_threads_num` before the device is
started.
"""

from __future__ import annotations

import sys

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from src.engine.runtime import device
from tests.ascend.card import pretend


class SumIfPositive(nn.Cell):
    """Adds up its inputs, without those whose sum is not positive."""

    def __init__(self):
        super().__init__()
        self.total = Parameter(Tensor(np.zeros(4, np.float32)), name="total")

    def construct(self, x):
        value = x.sum()
        if value > 0:
            self.total += x
        return value


def main() -> None:
    pretend()
    if len(sys.argv) > 1:
        ms.runtime.dispatch_threads_num(int(sys.argv[1]))
    device.start_device("Ascend")
    device.start_device("Ascend")  # as a second job of the process does
    ms.set_context(jit_config={"jit_level": "O0"})
    SumIfPositive()(Tensor(np.ones(4, np.float32))).asnumpy()
    print("done", flush=True)


if __name__ == "__main__":
    main()
