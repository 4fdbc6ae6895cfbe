"""The set-up: which interpreter is taken, how .venv is made, repaired and left alone, and what is installed where. No network."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from tests.scripts.conftest import ROOT, clean_environment, executable

MODULE = 'import sys\nprint("tiny ran in", sys.prefix, *sys.argv[1:])\n'


def wheel(folder, name, version):
    """A wheel of one module, written by hand (PEP 427), for pip to install without an index."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": MODULE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = {
        path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        for path, text in files.items()
    }
    files[f"{info}/RECORD"] = (
        "".join(f"{path},sha256={digest[path]},{len(files[path])}\n" for path in digest)
        + f"{info}/RECORD,,\n"
    )
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def shell(command):
    """A command line that runs bash commands after common.sh of the current folder's project."""
    return ["bash", "-euo", "pipefail", "-c", f"source scripts/common.sh; {command}"]


class Clone:
    """A copy of the scripts as a project of its own, whose one requirement is a tiny package in a local folder of wheels."""

    def __init__(self, folder):
        self.root, self.wheels, self.bin = folder / "fresh clone", folder / "wheels", folder / "bin"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "requirements.txt").write_text("tiny>=1,<2   # a comment\n")
        wheel(self.wheels, "tiny", "1.0")
        self.venv = self.root / ".venv"
        # PATH without the machine's own Pythons: the tools that the scripts use, and what a test adds
        self.bin.mkdir()
        for tool in (
            "bash",
            "sh",
            "env",
            "dirname",
            "basename",
            "readlink",
            "mkdir",
            "rm",
            "cp",
            "cmp",
            "cat",
            "flock",
        ):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_python("python3")

    def add_python(self, name, text=None):
        return executable(
            self.bin / name, text or f'#!/bin/sh\nexec {shlex.quote(os.path.realpath(sys.executable))} "$@"\n'
        )

    def command(self, command='"$PYTHON" -m tiny'):
        return shell(f'setup_python requirements.txt; echo "$PYTHON_FROM"; {command}')

    def environment(self, **extra):
        (self.root.parent / "tmp dir").mkdir(exist_ok=True)  # a killed pip leaves its files there
        offline = {
            "PIP_NO_INDEX": 1,
            "PIP_FIND_LINKS": self.wheels,
            "PIP_CONFIG_FILE": os.devnull,
            "TMPDIR": self.root.parent / "tmp dir",
        }
        return clean_environment(**{"PATH": self.bin, **offline, **extra})

    def run(self, *command, **extra):
        return subprocess.run(
            self.command(*command),
            cwd=self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, **extra):
        return subprocess.Popen(
            self.command(),
            cwd=self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_the_projects_own_environment(clone):
    """Made once, by the first Python that works; a second run installs nothing and needs no pip; other requirements are installed."""
    clone.add_python("python3.12", "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    clone.add_python("python3.11", "#!/bin/sh\nexit 1\n")  # a version that does not fit answers so
    first = clone.run()
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == ["venv", f"tiny ran in {clone.venv}"]
    assert f"Making {clone.venv}" in first.stderr and "bin/python3." in first.stderr

    nowhere = {"PIP_FIND_LINKS": clone.root / "nowhere"}
    again = clone.run(**nowhere)
    assert again.returncode == 0 and again.stderr == "" and again.stdout == first.stdout

    (clone.root / "requirements.txt").write_text("tiny>=1.1,<2\n")
    failing = clone.run(**nowhere)
    assert failing.returncode == 2 and "pip could not install requirements.txt" in failing.stderr
    wheel(clone.wheels, "tiny", "1.1")
    assert clone.run('"$PYTHON" -m pip list').stdout.count("1.1") == 1


def test_a_killed_set_up_is_repaired_and_two_do_not_meet(clone):
    process = clone.start()
    deadline = time.monotonic() + 60
    while not (clone.venv / ".installing").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # within the making of the environment
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert (clone.venv / ".installing").exists()
    first, second = clone.start(), clone.start()
    results = [process.communicate(timeout=120) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], results
    said = "".join(err for _, err in results)
    assert (
        said.count("making it anew") == 1 and said.count("Making ") == 1 and said.count("waiting for it") == 1
    )
    assert all(f"tiny ran in {clone.venv}" in out for out, _ in results)


@pytest.fixture(scope="module")
def own_environment(tmp_path_factory):
    """A user's own virtual environment, with pip."""
    folder = tmp_path_factory.mktemp("own") / "my env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    return folder


def test_a_users_own_environment_gets_what_it_lacks(clone, own_environment):
    python = own_environment / "bin" / "python"
    for name, value, origin in (("VIRTUAL_ENV", own_environment, "active"), ("PYTHON", python, "given")):
        extra = {name: value}
        subprocess.run(
            [python, "-m", "pip", "uninstall", "-qy", "tiny"], check=True, capture_output=True, timeout=60
        )
        run = clone.run(**extra)
        assert run.returncode == 0 and run.stdout.splitlines() == [
            origin,
            f"tiny ran in {own_environment}",
        ], run.stderr
        assert "what it lacks: tiny" in run.stderr and not clone.venv.exists()
        again = clone.run(**extra, PIP_FIND_LINKS="nowhere")
        assert again.returncode == 0 and again.stderr == ""
    (clone.root / "requirements.txt").write_text("tiny>=2\nabsent; python_version < '3'\n")
    run = clone.run(VIRTUAL_ENV=own_environment)
    assert run.returncode == 2 and "pip could not install" in run.stderr


def test_a_users_own_release_of_mindspore_stays(clone, own_environment):
    python = own_environment / "bin" / "python"
    (clone.root / "requirements.txt").write_text("mindspore==2.8.0\n")
    for version, code in (("2.10.0", 0), ("2.6.0", 2), ("2.7.1", 0)):
        wheel(clone.wheels, "mindspore", version)
        install = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--find-links",
            clone.wheels,
            f"mindspore=={version}",
        ]
        subprocess.run(install, check=True, timeout=60)
        assert clone.run("true", VIRTUAL_ENV=own_environment).returncode == code


def choice(clone, **extra):
    """The interpreter and its origin that find_python names; nothing is made."""
    command = shell('find_python; echo "$PYTHON_FROM $PYTHON"')
    return subprocess.run(
        command, cwd=clone.root, env=clone.environment(**extra), capture_output=True, text=True, timeout=60
    )


def test_the_order_of_choice(clone, tmp_path):
    fitting, unfit = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "#!/bin/sh\nexit 1\n"
    given = executable(tmp_path / "given python", fitting)
    virtual = executable(tmp_path / "virtual" / "bin" / "python", fitting)
    conda = executable(tmp_path / "conda" / "bin" / "python", fitting)
    old = executable(tmp_path / "old" / "bin" / "python", unfit)
    folder = {path: path.parent.parent for path in (virtual, conda, old)}
    everything = {"PYTHON": given, "VIRTUAL_ENV": folder[virtual], "CONDA_PREFIX": folder[conda]}
    assert choice(clone, **everything).stdout == f"given {given}\n"
    assert choice(clone, **{**everything, "PYTHON": ""}).stdout == f"active {virtual}\n"
    assert choice(clone, CONDA_PREFIX=folder[conda]).stdout == f"active {conda}\n"
    assert choice(clone, CONDA_PREFIX=folder[conda], CONDA_DEFAULT_ENV="base").stdout == f"active {conda}\n"
    assert choice(clone).stdout == f"venv {clone.venv}/bin/python\n"
    assert choice(clone, PYTHON="python3").stdout == f"given {clone.bin}/python3\n"
    assert choice(clone, PYTHON="../given python").stdout == f"given {given}\n"

    assert (
        choice(clone, CONDA_PREFIX=folder[old], CONDA_DEFAULT_ENV="base").stdout
        == f"venv {clone.venv}/bin/python\n"
    )
    refused = choice(clone, VIRTUAL_ENV=folder[old])
    assert refused.returncode == 2 and str(folder[old]) in refused.stderr and "3.9 to 3.12" in refused.stderr


def test_the_newest_working_python_makes_the_environment(clone):
    def base():
        return subprocess.run(
            shell("base_python"),
            cwd=clone.root,
            env=clone.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    real = shlex.quote(sys.executable)
    without_venv = f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec {real} "$@"\n'
    assert base().stdout == f"{clone.bin}/python3\n"
    clone.add_python("python3.9")
    assert base().stdout == f"{clone.bin}/python3.9\n"
    clone.add_python("python3.11")
    clone.add_python("python3.12", "#!/bin/sh\nexit 127\n")
    assert base().stdout == f"{clone.bin}/python3.11\n"
    clone.add_python("python3.12")
    assert base().stdout == f"{clone.bin}/python3.12\n"
    for name in ("python3.12", "python3.11", "python3.9", "python3"):
        clone.add_python(name, without_venv)
    assert base().returncode == 2 and "apt install python3-venv" in base().stderr
    for name in ("python3.12", "python3.11", "python3.9", "python3"):
        (clone.bin / name).unlink()
    assert (
        base().returncode == 2
        and "3.9, 3.10, 3.11 or 3.12" in base().stderr
        and len(base().stderr.splitlines()) == 1
    )


# ---- running a module, and the tests ---------------------------------------------------------------------------------


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
