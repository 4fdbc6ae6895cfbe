"""Limits of gradients: of their values, and of their global norm."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

# Calls a function for each array of a tuple. A turn of a loop would be a call within the turn before, and
# MindSpore compiles at most 1000 calls within each other.
for_each = ops.HyperMap()


class GradientLimits(nn.Cell):
    """Remove the loss scale from gradients and limit them.

    Values are limited first, and then the global L2 norm (Pascanu et al. 2013), so that both limits hold.

    Args:
        clip_norm: The limit of the global L2 norm, or None.
        clip_value: The limit of the absolute value of every element, or None.
        scaled: Whether gradients are multiplied with a loss scale, so that they have to be multiplied by
            `unscale`.
        by_rows: Whether squares are summed over the last axis first. On the CPU that takes a tenth of the
            time of a sum over all axes; elsewhere it is two operators more.
    """

    def __init__(self, clip_norm=None, clip_value=None, scaled=True, by_rows=True):
        super().__init__(auto_prefix=False)
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.scaled = scaled
        self.square_sum = sum_of_squares_by_rows if by_rows else sum_of_squares

    def before_batch(self, image):
        """The image; what a limit has to do before a batch's forward pass is done before it is used."""
        return image

    def after_batch(self, gradients):
        """What a limit has to do after a batch's gradients if several batches make one update.

        Returns:
            A value without a meaning. What depends on it runs afterwards.
        """
        return gradients

    def construct(self, gradients, unscale):
        """Limit the gradients.

        Args:
            gradients: A tuple of float32 arrays.
            unscale: float32 scalar, 1 over what the loss was multiplied by.

        Returns:
            The limited gradients, and their global L2 norm before the limits. The norm is not finite if any
            gradient is not.
        """
        norm = self.global_norm(gradients)
        # MindSpore 2.8's product of a computed NaN and a number is the number on the CPU.
        norm = ops.select(ops.isfinite(norm), norm * unscale, norm)
        if self.clip_value is None and self.clip_norm is None and not self.scaled:
            return gradients, norm
        if self.clip_value is None:
            return scale_all(gradients, unscale * self.norm_factor(norm)), norm
        limited = for_each(ops.partial(scale_and_clip, unscale, self.clip_value), gradients)
        if self.clip_norm is not None:
            limited = scale_all(limited, self.norm_factor(self.global_norm(limited)))
        return limited, norm

    def global_norm(self, gradients):
        """The L2 norm of a tuple of float32 arrays together, float32 scalar."""
        return ops.sqrt(ops.addn(for_each(self.square_sum, gradients)))

    def norm_factor(self, norm):
        """The factor, at most 1, that brings gradients of this norm, float32 scalar, to `clip_norm`."""
        if self.clip_norm is None:
            return 1.0
        return ops.minimum(self.clip_norm / (norm + 1e-6), Tensor(1.0, ms.float32))


def scale_and_clip(factor, limit, gradient):
    """A gradient times the factor, with values from -limit to limit."""
    return ops.clip_by_value(gradient * factor, -limit, limit)


def sum_of_squares(gradient):
    return (gradient * gradient).sum()


def sum_of_squares_by_rows(gradient):
    rows = gradient.reshape(gradient.shape[0], -1) if gradient.ndim > 1 else gradient
    return (rows * rows).sum(-1).sum()


def scale_all(gradients, factor):
    """Each of a tuple of float32 arrays times a float32 scalar, again as a tuple."""
    return for_each(ops.partial(ops.mul, factor), gradients)
