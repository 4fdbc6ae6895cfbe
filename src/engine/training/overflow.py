"""Overflows on Ascend 910, where a number that is too large for float16 becomes 65,504 and not infinite."""

from __future__ import annotations

from typing import Optional

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops.operations.math_ops import NPUClearFloatStatusV2, NPUGetFloatStatusV2


class ChipStatus(nn.Cell):
    """The flags that the chip sets when a number overflows. Reading them clears them."""

    def __init__(self):
        super().__init__()
        self.get_status = NPUGetFloatStatusV2()
        self.clear_status = NPUClearFloatStatusV2()
        self.zeros = Tensor(np.zeros(8, np.int32))

    def construct(self, after):
        """int32 [8], all 0 if nothing has overflowed since the last call.

        Args:
            after: Arrays that have to be computed before.
        """
        flags = self.get_status(ops.depend(self.zeros, after))
        return ops.depend(flags, self.clear_status(ops.depend(self.zeros, flags)))


class SaturationCheck(nn.Cell):
    """Limits of gradients whose norm is infinite if a number has overflowed on any device.

    A dynamic loss scale is halved where the norm is not finite. On Ascend 910 no overflow makes it so.

    Args:
        limits: A `GradientLimits`.
        device_num: The number of devices.
        status: A cell as `ChipStatus`, which is the default.
    """

    def __init__(self, limits: nn.Cell, device_num: int = 1, status: Optional[nn.Cell] = None):
        super().__init__(auto_prefix=False)
        self.limits = limits
        self.status = ChipStatus() if status is None else status
        self.all_reduce = ops.AllReduce() if device_num > 1 else None

    def construct(self, gradients, unscale):
        """As `GradientLimits`."""
        limited, norm = self.limits(gradients, unscale)
        flags = self.status(gradients)
        if self.all_reduce is not None:
            flags = self.all_reduce(flags)
        return limited, ops.select((flags != 0).any(), ops.full_like(norm, float("inf")), norm)
