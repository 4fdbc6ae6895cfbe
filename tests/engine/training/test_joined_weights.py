"""A step with joined weights against one that updates each weight by itself."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.config import load_config
from src.engine.training.build_step import make_step
from src.engine.training.joined_weights import JoinedStep
from src.engine.training.resume import step_state_of
from src.engine.training.weight_average import average_entries
from src.maskrcnn.build import build_network
from tests.small_network import BATCH_NAMES, CPU_FORM, draw_weights, small_batch, small_config

EVERY_SWITCH = (
    "accumulate_steps=2",
    "ema_decay=0.9",
    "clip_grad_value=0.5",
    "clip_grad_norm=5",
    "momentum=0.8",
)
ADAMW = ("optimizer=adamw", "decay_biases=False", "weight_decay=0.1", "loss_scale=dynamic")
FROZEN = ("norm=frozen", "fpn_norm=sync_bn", "rcnn_mask_norm=gn", "shapes=static", "cpu_kernels=off")


def steps(form, words, loads_weights=False):
    """(a step that updates weights one by one, one with joined weights), of networks that are alike."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    config = load_config(list(words))
    made = []
    for joined in (False, True):
        network = draw_weights(build_network(small_config(*form), "Ascend", loads_weights)).set_train(True)
        made.append(make_step(config, network, joined=joined))
    return made


def run(step, seed, rate=0.01):
    batch = small_batch(seed)
    return step(Tensor(np.float32(rate)), *(Tensor(batch[name]) for name in BATCH_NAMES)).asnumpy()


def values(step):
    return {name: value.asnumpy().copy() for name, value in step.checkpoint_parameters().items()}


def assert_alike(plain, joined, before, rtol):
    """Both have moved by the same, measured by the largest move of each array."""
    after, other = values(plain), values(joined)
    assert set(after) == set(other)
    moved = 0
    for name, value in after.items():
        move = np.abs(value - before[name]).max()
        moved += move > 0
        atol = rtol * move + 1e-6 * np.abs(value).max()
        np.testing.assert_allclose(other[name], value, rtol=0, atol=atol, err_msg=name)
    assert moved > 100


@pytest.mark.parametrize(
    ("form", "words"),
    [
        pytest.param(CPU_FORM, (*EVERY_SWITCH,), id="sgd, every switch"),
        pytest.param(FROZEN, ADAMW, id="adamw, frozen", marks=pytest.mark.slow),
    ],
)
def test_two_steps_in_float32(form, words):
    plain, joined = steps((*form, "compute_type=float32"), words, "norm=frozen" in form)
    assert isinstance(joined, JoinedStep) and len(joined.optimizer.weights) < len(plain.weights) / 3
    before = values(plain)
    for seed in (0, 1):
        np.testing.assert_allclose(run(joined, seed), run(plain, seed), rtol=1e-4)
    assert_alike(plain, joined, before, 1e-3)


@pytest.mark.slow
def test_frozen_norms_follow_what_is_taken_over():
    """As a resumed run does: the step is made of other weights than those that it goes on from."""
    plain, joined = steps((*FROZEN, "compute_type=float32"), ADAMW, True)
    other, _ = steps((*FROZEN, "compute_type=float32"), ADAMW, True)
    rng = np.random.default_rng(5)
    for name, value in values(other).items():
        if ".bn" in name:
            value = value * rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        for step in (plain, joined):
            step.checkpoint_parameters()[name].set_data(Tensor(value))
    for step in (plain, joined):
        step.take_over()
    np.testing.assert_allclose(run(joined, 2), run(plain, 2), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", [CPU_FORM, FROZEN], ids=["trained norms", "frozen"])
def test_a_step_in_float16(form):
    """Sums over RoIs and cells are the same operators; what is joined is rounded as each array would be."""
    plain, joined = steps((*form, "compute_type=float16"), ("weight_decay=0.01",), form == FROZEN)
    before = values(plain)
    np.testing.assert_allclose(run(joined, 0), run(plain, 0), rtol=1e-4)
    assert_alike(plain, joined, before, 2e-3)


def test_a_checkpoints_arrays_are_up_to_date_and_are_taken_over():
    plain, joined = steps((*CPU_FORM, "compute_type=float32"), ("ema_decay=0.9",))
    network = joined.loss_net.network
    start = values(joined)
    run(joined, 0)
    moved = values(joined)
    name = "rpn.conv.weight"
    assert (moved[name] != start[name]).any() and (moved[f"moments.{name}"] != 0).any()
    np.testing.assert_array_equal(network.parameters_dict()[name].asnumpy(), moved[name])
    np.testing.assert_array_equal(average_entries(joined)[name].asnumpy(), moved[f"ema.{name}"])
    assert set(step_state_of(joined, network)) == set(step_state_of(plain, plain.loss_net.network))
    for array_name, array in joined.checkpoint_parameters().items():
        array.set_data(Tensor(start[array_name]))
    joined.take_over()
    again = run(joined, 0)
    assert np.isfinite(again).all()
    for array_name, value in values(joined).items():
        np.testing.assert_array_equal(value, moved[array_name], err_msg=array_name)
