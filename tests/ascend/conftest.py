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
def run_module(standin, tmp_path):
    """run_module(MODULE, WORD..., chip=, prefix=, NAME=VALUE...): a process of its own on the stand-ins.

    NAME=VALUE are further environment variables; those that are None are taken away.
    """
    modules = os.pathsep.join([str(ROOT), standin["PYTHONPATH"]])

    def run(module, *words, chip="Ascend910B2", prefix=(), **variables):
        variables = {**standin, "PYTHONPATH": modules, "STANDIN_SOC": chip, **variables}
        environment = {**os.environ, **variables}
        return subprocess.run(
            [*prefix, sys.executable, "-m", module, *words],
            cwd=tmp_path,  # MindSpore writes files there when it ends
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
            env={name: value for name, value in environment.items() if value is not None},
        )

    return run


@pytest.fixture
def launch(run_module):
    """launch(GRAPH, WORD...): the report of tests/ascend/programs/launch.py."""

    def run(*words, **options):
        # With a simulation level MindSpore starts no graph engine, and two of its threads never pause.
        options.setdefault("MS_SIMULATION_LEVEL", None)
        done = run_module("tests.ascend.programs.launch", *words, **options)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
