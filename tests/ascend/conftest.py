"""The stand-ins of CANN's libraries, and programs that run on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.ascend.standin.build import build, reason_not_to_build
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def standin(tmp_path_factory):
    """The environment variables with which MindSpore finds the stand-ins."""
    reason = reason_not_to_build()
    if reason is not None:
        pytest.skip(reason)
    return build(tmp_path_factory.mktemp("cann"))


@pytest.fixture
def launch(standin):
    """launch(GRAPH, WORD...): the report of tests/ascend/launch.py, which runs in a process of its own."""

    def run(*words, chip="Ascend910B2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.ascend.launch", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
            env={**os.environ, **standin, "STANDIN_SOC": chip},
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
