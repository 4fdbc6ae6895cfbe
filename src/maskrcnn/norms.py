"""The four norms, and a convolution with its norm folded in.

A norm is a cell of (channels, eps). Its attribute `folds` says whether it only scales and shifts each channel
now. Then `scale_and_shift` returns the two factors, and `conv_norm` multiplies them into the convolution's
weight.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, nn, ops
from mindspore.common.initializer import initializer
from mindspore.communication import GlobalComm, get_group_size
from mindspore.ops import functional
from mindspore.ops.auto_generate.gen_ops_prim import BatchNormExt

from .layers import own_value
from .ops.constants import norm_groups

# A head with group norms computes empty slots as well, so that the norm's CPU kernel can be used. With more
# channels an empty slot's convolutions cost more than the kernel saves.
PADDED_CHANNELS = 128


class FrozenNorm(nn.Cell):
    """A batch norm whose four arrays never change.

    Args:
        channels: Of the map.
        eps: Added to the variance.
        folds: Whether the convolution before it is multiplied with its scale, or it is computed apart.

    Attributes:
        is_folded: Whether the convolution's own weight has the scale in it, and `shift_value` gives the
            shift: see `engine/training/folded_norms.py`.
    """

    is_folded = False
    shift_value = staticmethod(own_value)  # replaced where `is_folded`, and not called elsewhere

    def __init__(self, channels, eps, folds=True):
        super().__init__()
        self.eps = eps
        self.folds = folds
        self.gamma = Parameter(initializer("ones", (channels,)), requires_grad=False)
        self.beta = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_mean = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_variance = Parameter(initializer("ones", (channels,)), requires_grad=False)

    def scale_and_shift(self):
        return batch_norm_factors(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)

    def construct(self, x):
        scale, shift = self.scale_and_shift()
        return x * scale.astype(x.dtype).reshape(1, -1, 1, 1) + shift.astype(x.dtype).reshape(1, -1, 1, 1)


class TrainedNorm(nn.Cell):
    """What the trained norms share: gamma and beta, as `own_value` tells, in float32."""

    is_folded = False
    gamma_type = beta_type = ms.float32
    gamma_value = beta_value = staticmethod(own_value)

    def own_factors(self):
        return self.gamma_value(self.gamma, self.gamma_type), self.beta_value(self.beta, self.beta_type)


class BatchNorm(nn.BatchNorm2d, TrainedNorm):
    """Batch norm over one device's batch in training; folded into its convolution in inference.

    Attributes:
        is_at_once: Whether it is one operator, and its gradient another, which is so on Ascend alone.
            `nn.BatchNorm2d` becomes two of each there, and takes parameters only, none that are joined.
    """

    is_at_once = False
    gamma_type = beta_type = None

    def __init__(self, channels, eps):
        super().__init__(channels, eps, momentum=0.9)
        self.operator_at_once = BatchNormExt()

    @property
    def folds(self):
        return not self.training

    def scale_and_shift(self):
        return batch_norm_factors(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)

    def construct(self, x):
        if not self.is_at_once:
            return self.bn_train(x, self.gamma, self.beta, self.moving_mean, self.moving_variance)[0]
        gamma, beta = self.own_factors()
        statistics = (self.moving_mean, self.moving_variance)
        return self.operator_at_once(x, gamma, beta, *statistics, True, self.momentum, self.eps)[0]


class SyncBatchNorm(TrainedNorm):
    """Batch norm over the batches of all devices in training; folded into its convolution in inference.

    Sums are all-reduced, and so are their gradients.

    Attributes:
        map_dtype: The type in which maps are scaled and shifted. Statistics are float32.
    """

    map_dtype = ms.float32

    def __init__(self, channels, eps):
        super().__init__()
        self.eps = eps
        self.momentum = 0.9
        self.gamma = Parameter(initializer("ones", (channels,)))
        self.beta = Parameter(initializer("zeros", (channels,)))
        self.moving_mean = Parameter(initializer("zeros", (channels,)), requires_grad=False)
        self.moving_variance = Parameter(initializer("ones", (channels,)), requires_grad=False)
        self.device_num = get_group_size() if GlobalComm.INITED else 1
        self.all_reduce = ops.AllReduce() if self.device_num > 1 else None

    @property
    def folds(self):
        return not self.training

    def scale_and_shift(self):
        return batch_norm_factors(self.gamma, self.beta, self.moving_mean, self.moving_variance, self.eps)

    def construct(self, x):
        x32 = x.astype(ms.float32)
        count = x.shape[0] * x.shape[2] * x.shape[3] * self.device_num
        mean = self.sum_over_devices(x32.sum((0, 2, 3))) / count
        centered = x32 - mean.reshape(1, -1, 1, 1)
        variance = self.sum_over_devices(ops.square(centered).sum((0, 2, 3))) / count
        updates = self.update_statistics(mean, variance, count)
        gamma, beta = self.own_factors()
        scale = (gamma * ops.rsqrt(variance + self.eps)).astype(self.map_dtype).reshape(1, -1, 1, 1)
        shift = beta.astype(self.map_dtype).reshape(1, -1, 1, 1)
        y = centered.astype(self.map_dtype) * scale + shift
        return ops.depend(y, updates).astype(x.dtype)

    def update_statistics(self, mean, variance, count):
        """Move the stored statistics towards the batch's; as in BatchNorm, to its unbiased variance."""
        new_mean = self.momentum * self.moving_mean + (1 - self.momentum) * ops.stop_gradient(mean)
        # As a tensor: in the heads `count` depends on the data, and MindSpore would leave max() to Python.
        others = ops.maximum(ops.scalar_to_tensor(count - 1, ms.float32), 1.0)
        unbiased = count / others
        new_variance = (
            self.momentum * self.moving_variance
            + (1 - self.momentum) * ops.stop_gradient(variance) * unbiased
        )
        return ops.depend(
            ops.assign(self.moving_mean, new_mean), ops.assign(self.moving_variance, new_variance)
        )

    def sum_over_devices(self, value):
        return value if self.device_num == 1 else self.all_reduce(value)


class GroupNorm(TrainedNorm):
    """Group norm (Wu & He 2018): 32 groups, or fewer so that a group has at least 4 channels.

    Args:
        channels: Of the map.
        eps: Added to the variance.
        kernel: Whether the compiled CPU kernel is used where the number of rows does not follow from the
            data, as the kernel takes static shapes only.

    Attributes:
        map_dtype: The type it computes in.
        composed: Whether elementary operators compute it, with float32 statistics.
    """

    folds = False
    map_dtype = ms.float32
    composed = False

    def __init__(self, channels, eps, kernel=False):
        super().__init__()
        self.eps = eps
        self.groups = norm_groups(channels)
        self.gamma = Parameter(initializer("ones", (channels,)))
        self.beta = Parameter(initializer("zeros", (channels,)))
        self.kernel = KernelGroupNorm(self.groups, eps) if kernel else None
        # `Tensor.sum` is the operator SumExt, which no AIR file can hold.
        self.reduce_sum = ops.ReduceSum(keep_dims=True)

    def construct(self, x):
        if self.kernel is not None and not functional.is_sequence_value_unknown(x.shape):
            y, _, _ = self.kernel(x, self.gamma, self.beta)
            return y
        gamma, beta = self.own_factors()
        gamma = gamma.astype(self.map_dtype)
        beta = beta.astype(self.map_dtype)
        if self.composed:
            y = self.normalized(x).astype(self.map_dtype) * gamma.reshape(1, -1, 1, 1)
            return (y + beta.reshape(1, -1, 1, 1)).astype(x.dtype)
        return ops.group_norm(x.astype(self.map_dtype), self.groups, gamma, beta, self.eps).astype(x.dtype)

    def normalized(self, x):
        """x - mean over the deviation of its group, in float32."""
        rows = x.astype(ms.float32).reshape(x.shape[0] * self.groups, -1)
        centered = rows - self.reduce_sum(rows, 1) / rows.shape[1]
        variance = self.reduce_sum(ops.square(centered), 1) / rows.shape[1]
        return (centered * ops.rsqrt(variance + self.eps)).reshape(x.shape)


def compose_group_norms(network: nn.Cell) -> None:
    """Have elementary operators compute a network's group norms.

    CANN's graph engine, which takes graphs as a whole (jit level O2, AIR files), has no counterpart of
    MindSpore's operator.
    """
    for _, cell in network.cells_and_names():
        if isinstance(cell, GroupNorm):
            cell.composed = True


class KernelGroupNorm(nn.Cell):
    """(x, gamma, beta) -> the group norm of x, and statistics for its gradient, by the CPU kernel.

    Only the first result has a gradient.
    """

    def __init__(self, groups, eps):
        super().__init__()
        from .cpu.group_norm_kernel import group_norm_operators  # here, as only the CPU needs Numba

        self.forward_operator, self.gradient_operator = group_norm_operators(groups, eps)

    def construct(self, x, gamma, beta):
        return self.forward_operator(x, gamma, beta)

    def bprop(self, x, gamma, beta, out, dout):
        return self.gradient_operator(dout[0], x, gamma, out[1], out[2])


NORMS = {"frozen": FrozenNorm, "bn": BatchNorm, "sync_bn": SyncBatchNorm, "gn": GroupNorm}


def make_norm(kind, channels, eps, kernels=False):
    """The norm of that kind; with `kernels` it may use a compiled CPU kernel."""
    if kind == "gn" and kernels:
        return GroupNorm(channels, eps, kernel=True)
    return NORMS[kind](channels, eps)


def norm_list(kind, channels, eps, kernels=False):
    """A CellList of `make_norm`'s norms for a list of `channels`; an empty one if `kind` is 'none'."""
    if kind == "none":
        return nn.CellList([])
    return nn.CellList([make_norm(kind, count, eps, kernels) for count in channels])


def batch_norm_factors(gamma, beta, mean, variance, eps):
    """(scale, shift), float32 [C] each: what a batch norm with these statistics does to a channel."""
    scale = gamma * ops.rsqrt(variance + eps)
    return scale, beta - mean * scale


def keep_exact(conv, norm):
    """Tell a convolution that `conv_norm` multiplies its weight with a frozen norm's scale in float32."""
    if isinstance(norm, FrozenNorm) and norm.folds:
        conv.weight_type = ms.float32


def conv_norm(conv, norm, x):
    """norm(conv(x)), with a norm that only scales and shifts folded into the weight.

    That is one pass over the map instead of two. Stored weight and norm stay apart: the gradient reaches the
    stored weight through the product; where `is_folded`, by the rows of `JoinedGradients`.
    """
    if norm.is_folded:
        return conv.convolve(x, conv.own_weight(), norm.shift_value(norm.beta, conv.dtype))
    if norm.folds:
        scale, shift = norm.scale_and_shift()
        return conv.convolve(x, conv.own_weight() * scale.reshape(-1, 1, 1, 1), shift)
    return norm(conv(x))


def conv_norm_at(convs, norms, i, x):
    """convs[i](x), followed by norms[i] unless `norms` is empty (see `norm_list`)."""
    return conv_norm(convs[i], norms[i], x) if len(norms) > 0 else convs[i](x)
