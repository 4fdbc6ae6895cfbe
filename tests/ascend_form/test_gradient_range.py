"""Gradients in float16 against float32: what a loss scale keeps from becoming 0.

The least number of float16 is 6e-8. The network is the small one with weights as large as a trained one's and
the real losses. Its gradients are larger than the default network's, whose mask loss is a mean over 16 times
as many RoIs (128 a picture, 8 here), so they are looked at with a loss of 1/16 too.
"""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
import pytest
from mindspore import ParameterTuple, Tensor, nn

from src.engine.training.build_step import FLOAT16_LOSS_SCALE
from src.maskrcnn.build import build_network
from src.network_define import LossNet
from tests.small_network import BATCH_NAMES, CPU_FORM, draw_weights, small_batch, small_config

PARTS = ("backbone", "fpn", "rpn", "box_head", "mask_head")


class ScaledGradients(nn.Cell):
    """Gradients of the loss times a scale."""

    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.loss_net = LossNet(network)
        self.weights = ParameterTuple(network.trainable_params())
        self.gradients = ms.grad(self.scaled_loss, None, self.weights)

    def scaled_loss(self, scale, *batch):
        return self.loss_net(*batch)[0] * scale

    def construct(self, scale, *batch):
        return self.gradients(scale, *batch)


@functools.lru_cache(maxsize=None)
def gradients(compute_type):
    """A function of a scale: {parameter: gradient over that scale} of the Ascend form.

    The batch has no proposals, only objects: rounding would change which proposals are sampled.
    """
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    config = small_config(*CPU_FORM, f"compute_type={compute_type}")
    cell = ScaledGradients(draw_weights(build_network(config, "Ascend")).set_train(True))
    batch = small_batch(0, objects=(8, 8))
    batch["image_meta"][:, :2] = 0
    inputs = [Tensor(batch[name]) for name in BATCH_NAMES]

    def run(scale):
        arrays = cell(Tensor(np.float32(scale)), *inputs)
        return {
            weight.name: array.asnumpy().astype(np.float64) / scale
            for weight, array in zip(cell.weights, arrays)
        }

    return run


def errors(ours, exact):
    """{part: the norm of the difference of its gradients, over their norm}"""
    found = {}
    for part in PARTS:
        names = [name for name in exact if name.startswith(part)]
        difference = sum(np.square(ours[name] - exact[name]).sum() for name in names)
        found[part] = float(np.sqrt(difference / sum(np.square(exact[name]).sum() for name in names)))
    return found


def test_gradients_with_the_scale_of_auto_are_float32s():
    """Rounding of activations changes up to 6.3% (the pyramid's), whatever the scale is."""
    found = errors(gradients("float16")(FLOAT16_LOSS_SCALE), gradients("float32")(1.0))
    assert max(found.values()) < 0.1 and max(found["rpn"], found["mask_head"]) < 0.01, found


def test_the_scale_of_auto_loses_nothing_and_the_originals_does():
    """In one graph, so that underflow alone makes a difference."""
    half = gradients("float16")
    exact = half(16 * FLOAT16_LOSS_SCALE)
    of_auto = errors(half(FLOAT16_LOSS_SCALE), exact)
    of_small_losses = errors(half(FLOAT16_LOSS_SCALE / 16), exact)
    of_1 = errors(half(1.0), exact)
    of_1_and_small_losses = errors(half(1 / 16), exact)
    found = (of_auto, of_small_losses, of_1, of_1_and_small_losses)
    # three roundings of float16, of 2^-10 each: another scale rounds other last bits
    assert max(*of_auto.values(), *of_small_losses.values()) < 3e-3, found
    assert of_1_and_small_losses["mask_head"] > 5 * of_small_losses["mask_head"], found


@pytest.mark.parametrize("scale", [FLOAT16_LOSS_SCALE, 16 * FLOAT16_LOSS_SCALE])
def test_nothing_overflows(scale):
    assert all(np.isfinite(array).all() for array in gradients("float16")(scale).values())
