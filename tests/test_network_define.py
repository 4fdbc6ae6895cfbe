"""The training step: one pass, one update, equal to the momentum formula on the gradients of the losses."""

from __future__ import annotations

import functools

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.engine.display.loss_lines import LOSS_NAMES
from src.engine.training.optimizer import MomentumSGD
from src.maskrcnn.build import build_network
from src.network_define import LossNet, TrainOneStep
from tests.small_network import (
    BATCH_NAMES,
    CPU_FORM,
    FIGURES,
    draw_weights,
    gradient_step,
    small_batch,
    small_config,
)

MOMENTUM = 0.9
DECAY = 0.01
# The loss scale.
SCALE = 16.0


@functools.lru_cache(maxsize=None)
def trainer():
    """(network, its optimiser, function of lr and a batch -> figures)."""
    ms.set_context(mode=ms.GRAPH_MODE)
    network = draw_weights(build_network(small_config(*CPU_FORM))).set_train(True)
    optimizer = MomentumSGD(network.trainable_params(), MOMENTUM, DECAY)
    step = TrainOneStep(LossNet(network), optimizer, SCALE)

    def run(lr, batch):
        figures = step(Tensor(np.float32(lr)), *(Tensor(batch[name]) for name in BATCH_NAMES))
        return dict(zip(LOSS_NAMES, figures.asnumpy().tolist()))

    return network, optimizer, run


@pytest.fixture
def fresh():
    """(network, function of lr and a batch -> figures) with the first weights and no momentum."""
    network, optimizer, run = trainer()
    draw_weights(network)
    for moment in optimizer.moments:
        moment.set_data(Tensor(np.zeros(moment.shape, np.float32)))
    return network, run


def values(network):
    return {
        parameter.name: parameter.asnumpy().astype(np.float64) for parameter in network.trainable_params()
    }


def test_a_step_is_the_momentum_formula_on_the_gradients_of_the_losses(fresh):
    network, run = fresh
    figures, gradients = gradient_step(*CPU_FORM)(small_batch(0))
    before = values(network)
    # lr = 0 changes nothing but the momentum
    assert run(0.0, small_batch(0)) == pytest.approx(figures, rel=1e-5)
    assert all((values(network)[name] == value).all() for name, value in before.items())
    run(0.05, small_batch(0))
    for name, after in values(network).items():
        decay = 0 if name.endswith((".gamma", ".beta")) else DECAY
        move = 0.05 * (1 + MOMENTUM) * (gradients[name] + decay * before[name])
        np.testing.assert_allclose(
            after,
            before[name] - move,
            atol=1e-5 * np.abs(move).max() + 2e-7 * np.abs(after).max(),
            err_msg=name,
        )


def test_the_order_of_the_figures():
    assert tuple(LOSS_NAMES) == FIGURES


def test_steps_without_objects_do_no_harm(fresh):
    network, run = fresh
    for seed in range(3):
        figures = run(0.01, small_batch(seed, (0, 0)))
        assert (
            np.isfinite(list(figures.values())).all()
            and figures["rcnn_mask_loss"] == figures["rpn_reg_loss"] == 0
        )
    assert all(np.isfinite(value).all() for value in values(network).values())
    assert np.isfinite(list(run(0.01, small_batch(0)).values())).all()


def test_it_learns(fresh):
    """Thirty steps on one batch halve its loss."""
    network, run = fresh
    losses = [run(0.02, small_batch(0, (3, 5), (step, step + 100)))["total_loss"] for step in range(30)]
    assert np.isfinite(losses).all() and np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


@pytest.mark.parametrize(("count", "divisor"), [(0.0, 1.0), (0.5, 1.0), (7.0, 7.0)])
def test_one_device_divides_by_its_own_count(count, divisor):
    assert float(LossNet(None).normalize(Tensor(np.float32(count))).asnumpy()) == divisor
