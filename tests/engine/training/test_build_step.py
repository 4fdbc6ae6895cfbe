"""Accumulation, the dynamic loss scale and the average of the weights, on a network computed by hand."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from src.config import load_config
from src.engine.training.build_step import make_step
from src.engine.training.optimizer import MomentumSGD
from src.engine.training.weight_average import WeightAverage
from src.maskrcnn.build import build_network
from src.network_define import TrainOneStep
from tests.small_network import BATCH_NAMES, CPU_FORM, draw_weights, small_batch, small_config

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.01


class Quadratic(nn.Cell):
    """A loss that is called as LossNet is: the mean square of weight * image, image float32 [n]."""

    def __init__(self):
        super().__init__(auto_prefix=False)
        self.weight = Parameter(Tensor(np.array([1.0, -2.0, 3.0], np.float32)), name="layer.weight")

    def construct(self, image, image_meta, sample_key, boxes, labels, valid, masks):
        loss = ops.square(self.weight * image).mean()
        return loss, ops.stack((loss, loss, loss, loss, loss, loss, loss, loss))


class Twin:
    """The same in NumPy, float64, with SGD."""

    def __init__(self):
        self.weight, self.velocity = np.array([1.0, -2.0, 3.0]), np.zeros(3)

    def gradient(self, image):
        return 2 * self.weight * image**2 / 3

    def update(self, gradient):
        self.velocity = MOMENTUM * self.velocity + gradient + DECAY * self.weight
        self.weight = self.weight - RATE * self.velocity


def make(**options):
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    loss = Quadratic()
    average = WeightAverage([loss.weight], options.pop("decay")) if "decay" in options else None
    step = TrainOneStep(loss, MomentumSGD([loss.weight], MOMENTUM, DECAY), average=average, **options)

    def run(image):
        return step(
            Tensor(np.float32(RATE)),
            Tensor(np.array(image, np.float32)),
            *[Tensor(np.zeros(1, np.float32))] * 6,
        ).asnumpy()

    return step, run


def images(count):
    return np.random.default_rng(0).normal(size=(count, 3))


def test_three_batches_an_update():
    """The weights move by the mean of three gradients at every third batch, and not in between."""
    step, run = make(accumulate=3, loss_scale=8.0)
    twin, gradients = Twin(), []
    for number, image in enumerate(images(9), 1):
        figures = run(image)
        gradients.append(twin.gradient(image))
        if number % 3 == 0:
            assert figures[8] == pytest.approx(np.linalg.norm(np.mean(gradients, 0)), rel=1e-5)
            twin.update(np.mean(gradients, 0))
            gradients = []
        else:
            assert figures[8] == 0
        np.testing.assert_allclose(step.weights[0].asnumpy(), twin.weight, rtol=1e-5)
        assert figures[9] == 8 and figures[10] == 0


def test_the_loss_scale_follows_the_gradients():
    """Two finite updates double it. One that overflows halves it, leaves weights and momentum alone, and
    starts the count again."""
    step, run = make(loss_scale="dynamic", window=2, decay=0.5)
    twin, mean = Twin(), np.array([1.0, -2.0, 3.0])
    scales = []
    for number, image in enumerate(images(7)):
        overflow = number == 3
        figures = run(
            image * (1e18 if overflow else 1)
        )  # the loss, 1e36, is still finite in float32; its scaled gradient is not
        assert np.isfinite(figures).all() and figures[10] == overflow
        if not overflow:
            twin.update(twin.gradient(image))
            keep = min(0.5, (1 + number - (number > 3)) / (10 + number - (number > 3)))
            mean = keep * mean + (1 - keep) * twin.weight
        np.testing.assert_allclose(step.weights[0].asnumpy(), twin.weight, rtol=1e-5)
        np.testing.assert_allclose(step.average.averages[0].asnumpy(), mean, rtol=1e-5)
        scales.append(figures[9] / 65536)
    assert scales == [1, 2, 2, 1, 1, 2, 2]


def test_the_loss_scale_and_accumulation_together():
    """A batch that overflows spoils the update it belongs to and no other."""
    step, run = make(loss_scale="dynamic", accumulate=2)
    twin = Twin()
    sequence = images(6)
    for number, image in enumerate(sequence):
        figures = run(image * (1e18 if number == 2 else 1))
        if number % 2 and number != 3:
            twin.update((twin.gradient(sequence[number - 1]) + twin.gradient(image)) / 2)
        np.testing.assert_allclose(step.weights[0].asnumpy(), twin.weight, rtol=1e-5)
        assert figures[9] == (65536 if number < 3 else 32768) and figures[10] == (number == 3)


def test_every_state_of_a_step_has_a_name_of_its_own():
    """A checkpoint holds weights, momentum, sums, scale and average; the average starts as the weights."""
    words = [
        "ema_decay=0.999",
        "accumulate_steps=2",
        "loss_scale=dynamic",
        "clip_grad_norm=5",
        "optimizer=adamw",
    ]
    from src.maskrcnn.build import build_network

    network = draw_weights(build_network(small_config(*CPU_FORM))).set_train(True)
    step = make_step(load_config(words), network)
    names = set(step.parameters_dict())
    own = {parameter.name for parameter in network.get_parameters()}
    trained = {parameter.name for parameter in network.trainable_params()}
    assert names == own | {f"ema.{name}" for name in own} | {
        f"{kind}.{name}" for name in trained for kind in ("adam_first", "adam_second", "accumulated")
    } | {"ema_updates", "adam_power.0", "adam_power.1", "loss_scale", "finite_updates", "accumulated_batches"}
    parameters = step.parameters_dict()
    assert all((parameters[f"ema.{name}"].asnumpy() == parameters[name].asnumpy()).all() for name in own)


@pytest.mark.slow
def test_all_of_it_on_the_network():
    """One update of two half batches: the weights are those of one step with the mean of both gradients."""
    from src.maskrcnn.build import build_network
    from tests.small_network import gradient_step

    ms.set_context(mode=ms.GRAPH_MODE)
    network = draw_weights(build_network(small_config(*CPU_FORM))).set_train(True)
    step = make_step(
        load_config(
            ["ema_decay=0.5", "accumulate_steps=2", "loss_scale=dynamic", "momentum=0.9", "weight_decay=0"]
        ),
        network,
    )
    before = {
        parameter.name: parameter.asnumpy().copy() for parameter in network.trainable_params()
    }  # or it would follow the weights
    for seed in (0, 1):
        step(Tensor(np.float32(RATE)), *(Tensor(small_batch(seed)[name]) for name in BATCH_NAMES))
    gradients = [gradient_step(*CPU_FORM)(small_batch(seed))[1] for seed in (0, 1)]
    for name, value in before.items():
        move = RATE * (gradients[0][name] + gradients[1][name]) / 2
        after = step.parameters_dict()[name].asnumpy()
        np.testing.assert_allclose(
            after, value - move, atol=1e-4 * np.abs(move).max() + 1e-6 * np.abs(value).max(), err_msg=name
        )
        np.testing.assert_allclose(
            step.parameters_dict()[f"ema.{name}"].asnumpy(),
            0.1 * value + 0.9 * after,
            atol=1e-5,
            err_msg=name,
        )


@pytest.mark.parametrize("words, scale", [((), 1024), (("loss_scale=1",), 1)])
def test_a_network_in_float16_has_a_loss_scale(words, scale):
    """With 1024 a gradient of 1e-10 is 1.02e-7, which float16 holds (from 6e-8). A user's scale stays."""
    config = small_config("compute_type=float16", *words)
    assert make_step(config, build_network(config)).static_scale == scale
    assert np.float16(1e-10 * 1024) > 0 and np.float16(1e-10) == 0
