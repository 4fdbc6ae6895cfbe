"""The optimisers against their formulas in float64, over several steps."""
import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.config import load_config
from src.engine.optimizer import AdamW, MomentumSGD, make_optimizer

RATES = (0.01, 0.02, 0.03, 0.04)
DECAY, SCALE = 0.1, 4.0


def momentum_twin(weight, state, gradient, rate, decay, step):
    """Sutskever et al. 2013, with the weight decay in the gradient."""
    state["v"] = 0.9 * state.get("v", 0) + gradient + decay * weight
    return weight - rate * state["v"]


def adamw_twin(weight, state, gradient, rate, decay, step):
    """Loshchilov & Hutter 2019, algorithm 2."""
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * gradient
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * gradient ** 2
    mean, square = state["m"] / (1 - 0.9 ** step), state["v"] / (1 - 0.999 ** step)
    return weight - rate * (mean / (np.sqrt(square) + 1e-8) + decay * weight)


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("name, twin", [("sgd", momentum_twin), ("adamw", adamw_twin)])
def test_four_steps(name, twin, clip):
    """Weight decay on the weight and not on the norm's scale; the loss scale is taken out; the global norm is limited."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")                # before anything runs: later tests of the same process set it again
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)]
    parameters = [Parameter(Tensor(start[0]), name="conv.weight"), Parameter(Tensor(start[1]), name="bn.gamma")]
    config = load_config([f"optimizer={name}", "momentum=0.9", f"weight_decay={DECAY}", f"loss_scale={SCALE}"]
                         + ([f"clip_grad_norm={clip}"] if clip else []))
    optimizer = make_optimizer(config, parameters)
    assert isinstance(optimizer, {"sgd": MomentumSGD, "adamw": AdamW}[name])
    weights, states = [value.astype(np.float64) for value in start], [{}, {}]
    for step, rate in enumerate(RATES, 1):
        gradients = [rng.normal(size=value.shape).astype(np.float32) for value in start]
        optimizer(Tensor(np.float32(rate)), tuple(Tensor(gradient * SCALE) for gradient in gradients))
        norm = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))
        factor = 1.0 if clip is None else min(1.0, clip / norm)
        weights = [twin(weight, state, gradient * factor, rate, decay, step)
                   for weight, state, gradient, decay in zip(weights, states, gradients, (DECAY, 0.0))]
    for parameter, expected in zip(parameters, weights):
        np.testing.assert_allclose(parameter.asnumpy(), expected, atol=5e-6)
