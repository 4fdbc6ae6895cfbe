"""AIR files, written by MindSpore's own conversion to CANN's graphs on stand-ins of CANN's libraries.

The conversion is real: MindSpore refuses an operator without a counterpart. What CANN makes of its graph is
not seen. The stand-in "saves" a graph as the list of the types of its operators.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow  # 15 s each when nothing else runs


@pytest.mark.parametrize("chip", ["Ascend910A", "Ascend910B2"])
@pytest.mark.parametrize("network", ["small", "group_norms", "default"])
def test_every_operator_of_the_exported_network_converts(run_module, tmp_path, network, chip):
    out = tmp_path / "net.air"
    done = run_module("tests.ascend.programs.air", network, str(out), chip=chip, MS_SIMULATION_LEVEL=None)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    assert done.stdout.startswith(f"wrote {out}") and "not compared" in done.stdout
    types = set(out.read_text().split())
    assert {"Conv2D", "ROIAlign", "TopK", "MaxPool", "Minimum"} <= types
    assert ("NMSWithMask" in types) == (chip != "Ascend910A")  # which has it in float16 only


def test_an_operator_that_does_not_convert_is_one_line(run_module, tmp_path):
    out = tmp_path / "net.air"
    done = run_module("tests.ascend.programs.air", "clamp", str(out), MS_SIMULATION_LEVEL=None)
    assert done.returncode == 2 and not out.exists()
    assert "ClampScalar" in done.stderr  # MindSpore's own lines name it
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "AIR" in line and "MINDIR" in line and "Traceback" not in done.stderr
