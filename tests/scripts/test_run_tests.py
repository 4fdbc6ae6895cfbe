"""run_tests.sh, and running a module of the project."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.scripts.clone import Clone
from tests.scripts.conftest import ROOT


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_a_module_comes_from_the_project_not_from_the_callers_folder(clone, tmp_path):
    for root, text in ((clone.root, "ours"), (tmp_path, "the caller's")):
        (root / "src").mkdir()
        (root / "src" / "__init__.py").touch()
        (root / "src" / "job.py").write_text(
            f'import os, sys\nprint("{text}", __name__, os.getcwd(), sys.argv[1:])\n'
        )
    command = [
        "bash",
        "-euo",
        "pipefail",
        "-c",
        'source "fresh clone/scripts/common.sh"; find_python; run_module src.job "a b" c=1',
    ]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env=clone.environment(PYTHON=sys.executable),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout == f"ours __main__ {tmp_path} ['a b', 'c=1']\n", run.stderr


TESTS = """
import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): assert False
def test_needs_data(shared): pass
@pytest.mark.skip(reason="a reason of its own")
def test_other(): pass
"""


CONFTEST = """
import os, pytest
@pytest.fixture(scope="session")
def shared():
    pytest.skip("no data (MASKRCNN_SHARED names it)")
"""


@pytest.fixture
def tested(clone):
    (clone.root / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "require_shared.py", clone.root / "tests")
    shutil.copy(ROOT / "pyproject.toml", clone.root)
    (clone.root / "tests" / "conftest.py").write_text(CONFTEST)
    (clone.root / "tests" / "test_some.py").write_text(TESTS)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (clone.root / name).write_text("pytest\n")

    def run(*words, **extra):
        environment = clone.environment(PYTHON=sys.executable, PYTEST_DISABLE_PLUGIN_AUTOLOAD=1, **extra)
        return subprocess.run(
            ["bash", clone.root / "scripts" / "run_tests.sh", *words],
            cwd=clone.wheels,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_run_tests_leaves_slow_ones_out_and_passes_pytests_code_on(tested, tmp_path):
    run = tested("-p", "tests.require_shared", MASKRCNN_SHARED=tmp_path / "missing")
    assert run.returncode == 0 and "1 passed, 2 skipped" in run.stdout, run.stdout + run.stderr
    run = tested("--all")
    assert run.returncode == 1 and "1 failed, 1 passed, 2 skipped" in run.stdout


def test_a_skipped_test_that_needs_the_shared_folder_fails_where_it_is(tested, tmp_path):
    run = tested("-p", "tests.require_shared", MASKRCNN_SHARED=tmp_path)
    assert run.returncode == 1 and "1 passed, 1 skipped" in run.stdout and "1 error" in run.stdout, (
        run.stdout + run.stderr
    )
    assert (
        "test_some.py::test_needs_data" in run.stdout and f"skipped, though {tmp_path} is there" in run.stdout
    )
    module = 'import pytest\npytest.skip("no MASKRCNN_SHARED", allow_module_level=True)\n'
    (tmp_path / "fresh clone" / "tests" / "test_some.py").write_text(module)
    assert tested("-p", "tests.require_shared", MASKRCNN_SHARED=tmp_path).returncode not in (0, 5)
