"""Overflows on Ascend 910, where a number that is too large for float16 becomes 65,504 and not infinite."""

from __future__ import annotations

from typing import Optional

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.ops.operations.math_ops import NPUClearFloatStatusV2, NPUGetFloatStatusV2


class ChipStatus(nn.Cell):
    """The flags that the chip sets when a number overflows, in whatever graph it does."""

    def __init__(self):
        super().__init__()
        self.get_status = NPUGetFloatStatusV2()
        self.clear_status = NPUClearFloatStatusV2()
        self.zeros = Tensor(np.zeros(8, np.int32))

    def construct(self, after):
        """int32 [8], all 0 if nothing has overflowed since they were cleared.

        Args:
            after: Arrays that have to be computed before.
        """
        return self.get_status(ops.depend(self.zeros, after))

    def clear(self, array):
        """The array; what depends on it is computed after the flags have been cleared."""
        return ops.depend(array, self.clear_status(self.zeros))


class SaturationCheck(nn.Cell):
    """Limits of gradients whose norm is infinite if a number has overflowed on any device.

    A dynamic loss scale is halved where the norm is not finite. On Ascend 910 no overflow makes it so.

    Flags are cleared before each batch: others' graphs, such as an evaluation, may have left some. So those
    of the batches of one update are kept until then.

    Args:
        limits: A `GradientLimits`.
        device_num: The number of devices.
        status: A cell as `ChipStatus`, which is the default.
        accumulate: How many batches make one update.
    """

    def __init__(
        self, limits: nn.Cell, device_num: int = 1, status: Optional[nn.Cell] = None, accumulate: int = 1
    ):
        super().__init__(auto_prefix=False)
        self.limits = limits
        self.status = ChipStatus() if status is None else status
        self.all_reduce = ops.AllReduce() if device_num > 1 else None
        self.zeros = Tensor(np.zeros(8, np.int32))
        self.kept = None
        if accumulate > 1:  # a part of the step state, as the sums of gradients are
            self.kept = Parameter(Tensor(np.zeros(8, np.int32)), "overflow_flags", requires_grad=False)

    def before_batch(self, image):
        """As `GradientLimits`."""
        return self.status.clear(image)

    def after_batch(self, gradients):
        """As `GradientLimits`."""
        return ops.assign(self.kept, ops.bitwise_or(self.kept, self.status(gradients)))

    def construct(self, gradients, unscale):
        """As `GradientLimits`."""
        limited, norm = self.limits(gradients, unscale)
        flags = self.status(gradients) if self.kept is None else ops.mul(self.kept, 1)
        if self.all_reduce is not None:
            flags = self.all_reduce(flags)
        has_overflowed = (flags != 0).any()
        if self.kept is not None:
            reset = ops.assign(self.kept, ops.depend(self.zeros, has_overflowed))
            has_overflowed = ops.depend(has_overflowed, reset)
        return limited, ops.select(has_overflowed, ops.full_like(norm, float("inf")), norm)
