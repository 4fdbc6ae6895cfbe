"""The graphs compiled and launched by MindSpore's own Ascend backend, on stand-ins of CANN's libraries.

What is computed is not looked at: the stand-ins compute nothing. That the backend finds a kernel for every
operator, plans the memory and launches the step is what is tested.
"""

from __future__ import annotations

import os

import pytest

from tests.ascend.graphs import DEMO, SMALL_NETWORK, STEP_OUTPUTS, detections

# Of a step of the default network: calls of CANN that start something on the card. The host makes each of
# them by itself, and its time is proportional to their number.
MAX_CALLS = 1300


def test_a_training_step_of_the_default_network(launch):
    report = launch("training")
    assert report["outputs"] == STEP_OUTPUTS
    assert report["memory_mb"] < 4_000  # 3,428 on 2026-11-30
    assert sum(report["kernels"].values()) == sum(report["parts"].values()) < report["nodes"]
    # Every kernel but reshapes is a call, and few calls are none: no view is copied first.
    assert 0 < report["calls"] <= min(MAX_CALLS, sum(report["kernels"].values()))
    # One operator for all gradients of a convolution, and one each way for a norm.
    assert report["kernels"]["ConvolutionGrad"] == report["kernels"]["Conv2DExt"] > 70
    assert report["kernels"]["BatchNormGradExt"] == report["kernels"]["BatchNormExt"] == 53
    assert report["kernels"]["ApplyMomentum"] < 25


def test_inference_of_the_default_network(launch):
    report = launch("inference")
    assert report["outputs"] == detections(2, 100)


def test_a_training_step_of_the_demo(launch):
    assert launch("training", *DEMO)["outputs"] == STEP_OUTPUTS


@pytest.mark.slow
@pytest.mark.parametrize("blocks", ["[3,4,23,3]", "[3,8,36,3]"], ids=["ResNet-101", "ResNet-152"])
def test_a_training_step_of_a_deep_trunk(launch, blocks):
    """Its calls nest deeper while the graph is compiled; 354 and 507 arrays are trained."""
    words = [word for word in SMALL_NETWORK if not word.startswith("resnet_block")]
    assert launch("training", *words, f"resnet_block={blocks}")["outputs"] == STEP_OUTPUTS


def test_a_condition_in_a_graph_on_one_core(run_module):
    """As loss_scale=dynamic has one. MindSpore would take one thread, with which it cannot be built."""
    one_core = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    done = run_module("tests.ascend.programs.condition", prefix=one_core)
    assert done.stdout.splitlines()[-1:] == ["done"], done.stderr[-4000:]


@pytest.mark.slow
def test_a_users_number_of_dispatch_threads_stays(run_module):
    done = run_module("tests.ascend.programs.condition", "1")
    assert "done" not in done.stdout
    assert "ConditionSwitch" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["Ascend910A", "Ascend910B2"])
def test_every_switch_of_the_step_at_once(launch, chip):
    words = ["loss_scale=dynamic", "accumulate_steps=2", "ema_decay=0.999", "clip_grad_norm=10"]
    report = launch("training", *SMALL_NETWORK, *words, "clip_grad_value=1", "norm=gn", chip=chip)
    assert report["outputs"] == STEP_OUTPUTS
    assert ("NPUGetFloatStatusV2" in report["kernels"]) == (chip == "Ascend910A")
