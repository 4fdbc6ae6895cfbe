"""The optimisers against their formulas and against PyTorch's; limits of the gradients; the average."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.config import load_config
from src.engine.training.build_step import make_optimizer
from src.engine.training.optimizer import AdamW, MomentumSGD
from src.engine.training.weight_average import WeightAverage
from src.gradient_limits import GradientLimits

RATES = (0.01, 0.02, 0.03, 0.04)
DECAY = 0.1
NAMES = ("conv.weight", "conv.bias", "bn.gamma", "bn.beta")


def momentum_twin(weight, state, gradient, rate, decay, step):
    """Sutskever et al. 2013, with the weight decay in the gradient."""
    state["v"] = 0.9 * state.get("v", 0) + gradient + decay * weight
    return weight - rate * state["v"]


def adamw_twin(weight, state, gradient, rate, decay, step):
    """Loshchilov & Hutter 2019, algorithm 2."""
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * gradient
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * gradient**2
    mean, square = state["m"] / (1 - 0.9**step), state["v"] / (1 - 0.999**step)
    return weight - rate * (mean / (np.sqrt(square) + 1e-8) + decay * weight)


def start_on_cpu():
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")  # before anything runs: later tests of the same process set it again


def drawn(rng):
    return [
        rng.normal(size=(3, 4)).astype(np.float32),
        *(rng.normal(size=4).astype(np.float32) for _ in NAMES[1:]),
    ]


def parameters_of(values):
    return [Parameter(Tensor(value), name=name) for name, value in zip(NAMES, values)]


class Layer(nn.Cell):
    """A layer whose weights may be joined."""

    weight_type = bias_type = gamma_type = beta_type = ms.float32

    def __init__(self, parameters):
        super().__init__(auto_prefix=False)
        for parameter in parameters:
            setattr(self, parameter.name.split(".")[1], parameter)


def run_both(name, decay_biases, joined=False):
    """(arrays after four steps, start values, gradients of the steps)."""
    start_on_cpu()
    rng = np.random.default_rng(0)
    start = drawn(rng)
    parameters = parameters_of(start)
    optimizer = make_optimizer(
        load_config(
            [f"optimizer={name}", "momentum=0.9", f"weight_decay={DECAY}", f"decay_biases={decay_biases}"]
        ),
        parameters,
        Layer(parameters) if joined else None,
    )
    assert isinstance(optimizer, {"sgd": MomentumSGD, "adamw": AdamW}[name])
    steps = [drawn(rng) for _ in RATES]
    for rate, gradients in zip(RATES, steps):
        gradients = tuple(Tensor(gradient) for gradient in gradients)
        optimizer(Tensor(np.float32(rate)), optimizer.joined.groups.join(gradients) if joined else gradients)
    if joined:
        assert len(optimizer.weights) < len(parameters)
        groups = optimizer.joined.groups
        ends = [np.cumsum(lengths)[:-1] for lengths in groups.lengths]
        parts = [np.split(array.asnumpy(), end) for array, end in zip(optimizer.weights, ends)]
        return [parts[group][place] for group, place in groups.positions], start, steps
    return [parameter.asnumpy() for parameter in parameters], start, steps


@pytest.mark.parametrize("joined", [False, True], ids=["one by one", "joined"])
@pytest.mark.parametrize(
    ("name", "twin", "decay_biases"),
    [("sgd", momentum_twin, True), ("sgd", momentum_twin, False), ("adamw", adamw_twin, False)],
)
def test_four_steps(name, twin, decay_biases, joined):
    """Weight decay on the weight, on the bias as told, and not on the norm's scale and shift."""
    found, start, steps = run_both(name, decay_biases, joined)
    decays = (DECAY, DECAY * decay_biases, 0.0, 0.0)
    weights, states = [value.astype(np.float64) for value in start], [{} for _ in NAMES]
    for step, (rate, gradients) in enumerate(zip(RATES, steps), 1):
        weights = [
            twin(weight, state, gradient, rate, decay, step)
            for weight, state, gradient, decay in zip(weights, states, gradients, decays)
        ]
    for value, expected in zip(found, weights):
        np.testing.assert_allclose(value, expected, atol=5e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_four_steps_of_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch's optimisers are what is compared with")
    found, start, steps = run_both(name, True)
    weights = [torch.nn.Parameter(torch.tensor(value)) for value in start]
    groups = [{"params": weights[:2], "weight_decay": DECAY}, {"params": weights[2:], "weight_decay": 0.0}]
    twin = (
        torch.optim.SGD(groups, lr=1.0, momentum=0.9) if name == "sgd" else torch.optim.AdamW(groups, lr=1.0)
    )
    for rate, gradients in zip(RATES, steps):
        for group in twin.param_groups:
            group["lr"] = rate
        for weight, gradient in zip(weights, gradients):
            weight.grad = torch.tensor(gradient)
        twin.step()
    for value, expected in zip(found, weights):
        np.testing.assert_allclose(value, expected.detach().numpy(), atol=5e-6)


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(
    ("clip_norm", "clip_value"),
    [(None, None), (0.5, None), (100.0, None), (None, 0.3), (0.5, 0.3), (100.0, 0.3)],
)
def test_limits_of_the_gradients(clip_norm, clip_value, by_rows):
    """The scale is taken out first, then values are limited, then the global norm. The reported norm is the
    one before the limits."""
    start_on_cpu()
    gradients = drawn(np.random.default_rng(1))
    limits = GradientLimits(clip_norm, clip_value, by_rows=by_rows)
    limited, norm = limits(tuple(Tensor(8 * gradient) for gradient in gradients), Tensor(0.125, ms.float32))
    exact = [gradient.astype(np.float64) for gradient in gradients]
    assert float(norm.asnumpy()) == pytest.approx(np.sqrt(sum((value**2).sum() for value in exact)), rel=1e-6)
    if clip_value is not None:
        exact = [value.clip(-clip_value, clip_value) for value in exact]
    if clip_norm is not None:
        length = np.sqrt(sum((value**2).sum() for value in exact))
        exact = [value * min(1.0, clip_norm / length) for value in exact]
    for value, expected in zip(limited, exact):
        np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_gradient_that_is_not_finite_shows_in_the_norm(bad):
    start_on_cpu()
    gradients = drawn(np.random.default_rng(1))
    gradients[1][2] = bad
    limits = GradientLimits()  # a cell that is gone takes its outputs with it
    assert not np.isfinite(
        limits(tuple(Tensor(gradient) for gradient in gradients), Tensor(1.0, ms.float32))[1].asnumpy()
    )


def test_the_average_of_the_weights():
    """TensorFlow's: the average starts as the weights and keeps min(decay, (1 + t) / (10 + t)) of itself."""
    start_on_cpu()
    rng = np.random.default_rng(2)
    values = drawn(rng)
    parameters = parameters_of(values)
    average = WeightAverage(parameters, 0.25)
    expected = [value.astype(np.float64) for value in values]
    for keep in (0.1, 2 / 11, 0.25, 0.25):
        values = drawn(rng)
        for parameter, value in zip(parameters, values):
            parameter.set_data(Tensor(value))
        average()
        expected = [keep * mean + (1 - keep) * value for mean, value in zip(expected, values)]
    for parameter, found, mean, value in zip(parameters, average.averages, expected, values):
        np.testing.assert_allclose(found.asnumpy(), mean, atol=1e-6)
        assert (parameter.asnumpy() == value).all() and found.name == f"ema.{parameter.name}"
    assert float(average.updates.asnumpy()) == 4
