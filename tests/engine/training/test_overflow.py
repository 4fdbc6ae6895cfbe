"""The loss scale where overflows are told by flags of the chip and not by infinite gradients."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from src import device_limits
from src.config import load_config
from src.engine.training import build_step
from src.engine.training.overflow import SaturationCheck
from src.engine.training.step_errors import not_finite_line
from src.gradient_limits import GradientLimits
from src.network_define import INITIAL_LOSS_SCALE
from tests.engine.training.test_build_step import Twin, make


class Flags(nn.Cell):
    """In the place of the chip's, which the CPU has not.

    Attributes:
        flags: As they are.
        overflows: What a batch sets of them.
    """

    def __init__(self):
        super().__init__(auto_prefix=False)
        self.flags = Parameter(Tensor(np.zeros(8, np.int32)), name="flags", requires_grad=False)
        self.overflows = Parameter(Tensor(np.zeros(8, np.int32)), name="overflows", requires_grad=False)

    def construct(self, after):
        return ops.depend(self.flags.value(), after) * 1

    def clear(self, array):
        return ops.depend(array, ops.assign(self.flags, self.overflows))


def flagged(number):
    return Tensor(np.array([0, 0, 0, number, 0, 0, 0, 0], np.int32))


def test_a_flag_skips_the_update_and_halves_the_scale():
    status = Flags()
    step, run = make(loss_scale="dynamic", limits=SaturationCheck(GradientLimits(), status=status))
    image = [0.5, 1.0, 2.0]
    twin = Twin()
    for flag, scale in ((0, 1.0), (7, 0.5), (0, 0.5)):
        status.overflows.set_data(flagged(flag))
        _, loss_scale, skipped = run(image)[-3:]
        assert (loss_scale, skipped) == (scale * INITIAL_LOSS_SCALE, flag > 0)
        if flag == 0:
            twin.update(twin.gradient(np.array(image)))
        np.testing.assert_allclose(step.weights[0].asnumpy(), twin.weight, rtol=1e-5)


def test_flags_that_another_graph_left_are_not_a_batchs():
    status = Flags()
    _, run = make(loss_scale="dynamic", limits=SaturationCheck(GradientLimits(), status=status))
    status.flags.set_data(flagged(7))
    assert run([0.5, 1.0, 2.0])[-1] == 0


def test_a_flag_of_any_batch_of_an_update_skips_it():
    """And not the next one."""
    status = Flags()
    limits = SaturationCheck(GradientLimits(), status=status, accumulate=2)
    _, run = make(loss_scale="dynamic", limits=limits, accumulate=2)
    skipped = []
    for flag in (1, 0, 0, 4, 0, 0):
        status.overflows.set_data(flagged(flag))
        skipped.append(run([0.5, 1.0, 2.0])[-1])
    assert skipped == [0, 1, 0, 1, 0, 0]


def test_the_flags_are_read_on_ascend_910_unless_the_scale_is_a_users_number(monkeypatch):
    """A number is the way on where a flag has another cause than an overflow."""
    made = []
    monkeypatch.setattr(build_step, "TrainOneStep", lambda *arguments: made.append(arguments[4]))
    network = nn.Dense(2, 2)
    for chip, scale, dtype in (
        ("ascend910", "dynamic", ms.float16),
        ("ascend910", "auto", ms.float16),
        ("ascend910", "1024", ms.float16),
        ("ascend910", "auto", ms.float32),
        ("ascend910b", "dynamic", ms.float16),
        ("ascend910b", "auto", ms.float16),
    ):
        network.dtype = dtype
        monkeypatch.setattr(device_limits, "soc_version", lambda chip=chip: chip)
        build_step.make_step(load_config([f"loss_scale={scale}"]), network)
    assert [type(limits) for limits in made] == [SaturationCheck] * 2 + [GradientLimits] * 4


def test_a_flag_with_a_fixed_scale_is_an_infinite_norm():
    """With which the trainer ends the run, as with infinite gradients on other chips."""
    status = Flags()
    limits = SaturationCheck(GradientLimits(scaled=True), status=status)
    _, run = make(loss_scale=1024.0, limits=limits)
    norms = []
    for flag in (0, 7):
        status.overflows.set_data(flagged(flag))
        norms.append(run([0.5, 1.0, 2.0])[-3])
    assert np.isfinite(norms[0]) and norms[0] > 0 and norms[1] == np.inf


def test_the_line_about_a_flag_names_the_way_on():
    line = not_finite_line("epoch 1 step 1", {"gradient_norm": np.inf}, with_loss_scale=True, by_flags=True)
    assert "gradient_norm inf; " in line
    assert "loss_scale=dynamic (an infinite gradient_norm is a flag of the chip here; loss_scale=1024" in line
