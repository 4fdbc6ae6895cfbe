"""The means of arrays over two ranks by `JoinedGradients`; each rank writes its own to means{rank}.npz."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from src.engine.runtime.device import start_device
from src.engine.training.array_groups import ArrayGroups, JoinedGradients

SHAPES = ((2, 3, 1, 1), (4,), (5, 3, 1, 1), (7,), (6, 3))


def arrays_of(rank):
    """A rank's arrays, drawn from its number."""
    rng = np.random.default_rng(rank)
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def main() -> None:
    device = start_device("CPU")
    with device.group:
        means = JoinedGradients(ArrayGroups(SHAPES, [0.0] * len(SHAPES)), device.num)
        found = means(tuple(Tensor(array) for array in arrays_of(device.rank)))
        np.savez(f"means{device.rank}.npz", *(array.asnumpy() for array in found))


if __name__ == "__main__":
    main()
