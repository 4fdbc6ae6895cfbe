"""The package: its folders, its requirements, and an installation used from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from tests.conftest import ROOT

try:
    import tomllib
except ImportError:  # before Python 3.11
    from pip._vendor import tomli as tomllib


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_folder_of_src_is_installed(project):
    folders = {path.parent.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*.py")}
    packages = {".".join(["mask_rcnn", *folder.parts]) for folder in folders}
    assert packages == set(project["tool"]["setuptools"]["packages"])


def required(file):
    """The requirements of a file, without their reasons."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if not line.startswith(("#", "-"))]


def test_dependencies_and_extras_are_those_of_the_requirements(project):
    extras = project["project"]["optional-dependencies"]
    everything = project["project"]["dependencies"] + extras["train"]
    assert sorted(everything) == sorted(required("requirements.txt"))
    needed = required("requirements-dev.txt")
    assert sorted(extras["dev"]) == sorted(needed)
    optional = [*extras["onnx"], *extras["infer"], *extras["serve"], *extras["trackers"]]
    assert set(optional) <= set(needed)


PROGRAM = """
import mask_rcnn.config
from mask_rcnn.data.processes import start_process
from mask_rcnn.report.page import make_page
assert "color-scheme" in make_page("a page", "with its style", [])
config = mask_rcnn.config.load_config(["batch_size=3"])
process, connection = start_process("mask_rcnn.data.pipeline.workers", "work", ())
connection.close()
print(config.batch_size, mask_rcnn.config.__file__, "src" in __import__("sys").modules)
process.wait(60)
"""


def test_an_installed_package_imports_from_another_folder(tmp_path):
    """Installed into an environment that sees this one's packages; built in a copy of the tree."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / "env" / "lib" / version / "site-packages"
    (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site]
    done = subprocess.run(
        [*install, "--no-build-isolation", "--no-cache-dir", str(source)], capture_output=True, text=True
    )
    if done.returncode and "setuptools" in done.stderr:
        pytest.skip("this environment has no setuptools of version 64 to build with")
    assert done.returncode == 0, done.stderr
    for part in ("repair", "serving"):
        pages = [
            {path.name for path in (folder / part / "page").iterdir()}
            for folder in (ROOT / "src", site / "mask_rcnn")
        ]
        assert pages[0] == pages[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "python", "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 ") and str(site) in done.stdout and done.stdout.strip().endswith("False")
