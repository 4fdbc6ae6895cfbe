"""Commands that are started with an interpreter that cannot run them."""

import re
import subprocess
import sys

import pytest

from src.interpreter import MODULES, OPTIONAL_MODULES
from tests.conftest import ROOT

COMMANDS = ("train.py", "eval.py", "export.py", "predict.py", "check_data.py", "convert_weights.py")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """An interpreter without any package."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


@pytest.mark.parametrize("command", [*COMMANDS, "-m src.engine.demo"])
def test_missing_packages_are_one_line_with_the_way_out(bare_python, command):
    """Commands that read ONNX files without MindSpore do not ask for it yet."""
    without = () if command in ("eval.py", "export.py", "predict.py") else ("mindspore",)
    done = subprocess.run([bare_python, *command.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    for piece in (str(bare_python), *without, "cv2", "yaml", "pip install -r requirements.txt"):
        assert piece in done.stderr
    assert ("mindspore" in done.stderr) == bool(without)


@pytest.mark.parametrize("version", [(3, 6), (3, 8), (3, 13), (3, 14)])
def test_another_python_is_one_line(tmp_path, version):
    code = (
        f"import runpy, sys; sys.version_info = {(*version, 0, 'final', 0)}; "
        "runpy.run_path('train.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    for piece in (sys.executable, ".".join(map(str, version)), "3.9 to 3.12"):
        assert piece in done.stderr


def test_a_package_that_cannot_be_loaded_is_one_line(tmp_path):
    """As OpenCV with its windows on a machine without them."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')"
    )
    done = subprocess.run(
        [sys.executable, "check_data.py", f"coco_root={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "cv2" in done.stderr and "libGL.so.1" in done.stderr and "requirements.txt" in done.stderr


def test_every_requirement_is_looked_for():
    """The modules are those of requirements.txt, line by line."""
    modules = {"opencv-python-headless": "cv2", "Pillow": "PIL", "PyYAML": "yaml"}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [re.match(r"[\w-]+", line)[0] for line in lines if line and not line.startswith("#")]
    assert sorted(modules.get(name, name) for name in names) == sorted(MODULES + OPTIONAL_MODULES)
