"""The compiled graphs of the Ascend configuration on the CPU: training, inference, and other norms."""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.engine.display.loss_lines import LOSS_NAMES
from src.engine.training.joined_weights import JoinedStep
from src.engine.training.optimizer import AdamW, MomentumSGD
from src.gradient_limits import GradientLimits
from src.maskrcnn.build import build_network
from src.maskrcnn.layers import Conv
from src.maskrcnn.norms import NORMS, conv_norm
from src.network_define import LossNet
from tests.ascend_form.walk import Node, compiled_nodes
from tests.small_network import BATCH_NAMES, CPU_FORM, draw_weights, small_batch, small_config


@functools.lru_cache(maxsize=None)
def training():
    """(step cell, function of a batch -> {figure: value}) of a training step; lr is 0, so weights stay."""
    network = draw_weights(build_network(small_config(*CPU_FORM), "Ascend")).set_train(True)
    assert (network.dynamic, network.dtype, type(network.box_align.pool).__name__) == (
        False,
        ms.float16,
        "PackedPool",
    )
    step = JoinedStep(
        LossNet(network),
        MomentumSGD(network.trainable_params(), 0.9, 1e-4, network=network),
        16.0,
        limits=GradientLimits(10.0, 5.0, by_rows=False),
    )

    def run(batch):
        figures = step(Tensor(np.float32(0)), *(Tensor(batch[name]) for name in BATCH_NAMES))
        return dict(zip(LOSS_NAMES, figures.asnumpy().tolist()))

    run(small_batch(0))
    return step, run


@functools.lru_cache(maxsize=None)
def inference():
    """(network, its detections for a batch) of inference."""
    network = draw_weights(build_network(small_config(*CPU_FORM), "Ascend")).set_train(False)
    batch = small_batch(4)
    return network, [part.asnumpy() for part in network(Tensor(batch["image"]), Tensor(batch["image_meta"]))]


class NormStep(nn.Cell):
    """A convolution with a norm that the small network does not have, trained by an optimiser."""

    def __init__(self, norm, optimizer):
        super().__init__()
        self.conv = Conv(4, 8, 3, bias=False, dtype=ms.float16)
        self.norm = NORMS[norm](8, 1e-5)
        self.optimizer = optimizer(self.trainable_params())
        self.gradients = ms.grad(self.total, None, self.optimizer.weights)

    def total(self, x):
        return ops.square(conv_norm(self.conv, self.norm, x).astype(ms.float32)).sum()

    def construct(self, lr, x):
        return self.optimizer(lr, self.gradients(x))


@functools.lru_cache(maxsize=None)
def norm_step(norm):
    cell = NormStep(norm, lambda weights: AdamW(weights, 0.1)).set_train(True)
    x = np.random.default_rng(0).normal(0, 1, (2, 4, 8, 8)).astype(np.float32)
    cell(Tensor(np.float32(0.1)), Tensor(x))
    return cell


GRAPHS = {
    "training": lambda: training()[0],
    "inference": lambda: inference()[0],
    "bn, AdamW": lambda: norm_step("bn"),
    "frozen, AdamW": lambda: norm_step("frozen"),
}


@functools.lru_cache(maxsize=None)
def nodes(graph: str) -> list[Node]:
    """The nodes of one of GRAPHS."""
    return compiled_nodes(GRAPHS[graph]())
