"""What is said where CANN's Python side is missing or lacks something."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(code, path, *options):
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(path), "GLOG_v": "3"},
        timeout=300,
    )


@pytest.mark.parametrize(
    ("te", "words"),
    [
        (None, ["no module te", "set_env.sh"]),
        ("import no_such_decorator", ["the module no_such_decorator", "-r requirements-ascend.txt"]),
        ("raise RuntimeError('two\\nlines')", ["RuntimeError: two lines", "cannot be imported"]),
        ("", ["the module sympy", "-r requirements-ascend.txt"]),
    ],
)
def test_what_te_lacks_is_one_line(tmp_path, te, words):
    if te is not None:
        (tmp_path / "te.py").write_text(te)
    # Without the packages of the environment, sympy among them.
    code = "from src.engine.runtime.cann import cann_problem; print(cann_problem())"
    done = run(code, tmp_path, "-S")
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stderr
    assert all(word in done.stdout for word in words), done.stdout


@pytest.mark.parametrize(
    ("hccl", "words"),
    [
        (None, ["no module hccl,", "set_env.sh"]),
        ({"__init__": ""}, ["no module hccl.sys_version,", "set_env.sh"]),
        (
            {"__init__": "import no_such_module"},
            ["hccl needs the module no_such_module", "-r requirements-ascend.txt"],
        ),
        ({"__init__": "", "sys_version": "__sys_version__ = '8.2.0'"}, ["None"]),
    ],
)
def test_what_hccl_lacks_is_one_line(tmp_path, hccl, words):
    if hccl is not None:
        (tmp_path / "hccl").mkdir()
        for name, text in hccl.items():
            (tmp_path / "hccl" / f"{name}.py").write_text(text)
    code = "from src.engine.runtime.cann import hccl_problem; print(hccl_problem())"
    done = run(code, tmp_path, "-S")
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stderr
    assert all(word in done.stdout for word in words), done.stdout


def test_nothing_is_said_where_te_and_sympy_are_there(tmp_path):
    (tmp_path / "te.py").write_text("")
    (tmp_path / "sympy.py").write_text("")
    done = run("from src.engine.runtime.cann import cann_problem; print(cann_problem())", tmp_path)
    assert done.stdout == "None\n", done.stderr


@pytest.mark.parametrize("target", ["Ascend", "auto"])
def test_a_card_without_cann(tmp_path, target):
    """device_target=Ascend ends; auto goes on with the CPU, and says why."""
    code = (
        "from src.log import configure_logging; configure_logging()\n"
        "from src.engine.runtime import device\n"
        "device.card_is_here = lambda: True\n"
        f"print(device.start_device('{target}').target)\n"
    )
    done = run(code, tmp_path)
    last = done.stderr.splitlines()[-1]
    assert "no module te" in last and "set_env.sh" in last
    assert done.stdout == ("" if target == "Ascend" else "CPU\n")
    assert ("ConfigError: device_target=Ascend: " in last) == (target == "Ascend")


def test_ranks_on_a_card_without_hccl(tmp_path):
    """MindSpore's own error would be a stack of "wheel was not installed correctly"."""
    code = (
        "from src.log import configure_logging; configure_logging()\n"
        "from src.engine.runtime import device\n"
        "device._available_target = lambda _: 'Ascend'\n"
        "device.ms.set_device = device._card_number = lambda *_: None\n"
        "device._set_precision_mode = lambda: None\n"
        "device.is_alone = lambda: False\n"
        "device.init = lambda: print('joined')\n"
        "device.start_device('Ascend')\n"
    )
    done = run(code, tmp_path)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("src.errors.ConfigError: no module hccl, ")
