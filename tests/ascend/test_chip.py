"""What follows from the chip: the types that operators compute in, and how boxes are suppressed."""

from __future__ import annotations

import pytest

from tests.ascend.test_backend import STEP_OUTPUTS

pytestmark = pytest.mark.slow  # the graph takes a minute when nothing else runs


@pytest.mark.parametrize("simulation", ["1", None], ids=["simulated", "as with a card"])
@pytest.mark.parametrize(
    ("chip", "soc_version", "mode"),
    [
        ("Ascend910A", "ascend910", "allow_fp32_to_fp16"),
        ("Ascend910B2", "ascend910b", "must_keep_origin_dtype"),
    ],
)
def test_the_precision_mode_follows_the_chip(run_module, chip, soc_version, mode, simulation):
    done = run_module("tests.ascend.programs.start", chip=chip, MS_SIMULATION_LEVEL=simulation)
    assert done.stdout.splitlines()[-1:] == [f"{soc_version} {mode} "], done.stderr[-3000:]


def test_a_users_precision_mode_stays(run_module):
    done = run_module("tests.ascend.programs.start", "force_fp32")
    assert done.stdout.splitlines()[-1:] == ["ascend910b force_fp32 "], done.stderr[-3000:]


def test_the_jit_level_is_the_keys(run_module):
    done = run_module("tests.ascend.programs.start", "--level", "O2")
    assert done.stdout.splitlines()[-1:] == ["ascend910b must_keep_origin_dtype O2"], done.stderr[-3000:]


def test_the_default_step_on_the_original_chip(launch):
    """Boxes are suppressed without NMSWithMask, and the matrices fit."""
    report = launch("training", chip="Ascend910A")
    assert report["outputs"] == STEP_OUTPUTS and report["memory_mb"] < 4_000
    assert "NMSWithMask" not in report["kernels"] and report["kernels"]["BatchMatMul"] > 16
