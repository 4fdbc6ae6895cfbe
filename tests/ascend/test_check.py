"""scripts/check_ascend.sh on the stand-ins: every job runs to its end, and no value is compared."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.small_job import SMALL

pytestmark = pytest.mark.slow  # seven processes that compile the small network


def run_check(folder, *words, **variables):
    small = [word for word in SMALL if not word.startswith("device_target")]
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / "check_ascend.sh"), *small, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
        env={**os.environ, "PYTHON": sys.executable, **variables},
    )


def results(stdout):
    """{check: its result} of the second table."""
    rows = stdout.split("| Check | Result | Figures |\n|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    return {name: result for name, result, _ in (row.strip("| ").split(" | ", 2) for row in rows)}


def test_on_the_stand_ins(standin, tmp_path):
    done = run_check(tmp_path, **standin)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = results(done.stdout)
    ran = {"device", "ten steps of training", "export to MINDIR"}
    assert {name for name, result in found.items() if result == "ok"} == ran
    assert {found[name] for name in found.keys() - ran} == {"stand-in: not compared"}
    assert len(found) == len(ran) + 12
    assert (tmp_path / "ascend_check" / "table.md").read_text().strip() in done.stdout


def test_on_the_cpu_every_value_is_compared(tmp_path):
    done = run_check(tmp_path, "device_target=CPU")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = results(done.stdout)
    assert {name for name, result in found.items() if result != "ok"} == {"export to AIR"}
