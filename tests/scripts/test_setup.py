"""The set-up: which interpreter is taken, how .venv is made, repaired and left alone, what is installed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.scripts.clone import Clone, shell, wheel
from tests.scripts.conftest import executable


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_the_projects_own_environment(clone):
    """Made once, by the first Python that works. A second run installs only what is newly required."""
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


def test_a_host_with_cann_gets_what_cann_imports(clone):
    (clone.root / "requirements-ascend.txt").write_text("tinier\n")
    wheel(clone.wheels, "tinier", "1.0")
    command = shell('use_python; "$PYTHON" -m pip list')
    environment = clone.environment()
    for cann, packages in (("", {"tiny"}), ("/usr/local/Ascend/ascend-toolkit/latest", {"tiny", "tinier"})):
        done = subprocess.run(
            command,
            cwd=clone.root,
            env={**environment, "ASCEND_HOME_PATH": cann},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert {line.split()[0] for line in done.stdout.splitlines()} & {"tiny", "tinier"} == packages


def test_a_killed_set_up_is_repaired_and_two_wait_for_each_other(clone):
    process = clone.start()
    deadline = time.monotonic() + 60
    while not (clone.venv / ".installing").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # within the making of the environment
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert (clone.venv / ".installing").exists()
    first = clone.start()
    second = clone.start()
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
    fitting = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    unfit = "#!/bin/sh\nexit 1\n"
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


def test_a_disk_too_full_for_mindspore_is_told_before_pip_begins(clone):
    """By what df says of the folder of .venv. Room enough, or MindSpore there already: pip goes to work."""
    (clone.root / "requirements.txt").write_text("mindspore==2.8.0\n")
    df = 'echo "Filesystem 1M-blocks Used Available Capacity Mounted on"\necho "/dev/vda 9000 1 {} 1% /"\n'
    executable(clone.bin / "df", "#!/bin/sh\n" + df.format(3062))
    full = clone.run()
    assert full.returncode == 2
    (line,) = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert f"{clone.venv}: 3062 MB are free there" in line
    assert "pip could not install" not in full.stderr

    executable(clone.bin / "df", "#!/bin/sh\n" + df.format(40000))
    assert "pip could not install requirements.txt" in clone.run().stderr  # there is no index in this test
    (clone.root / "requirements.txt").write_text("tiny\n")
    assert clone.run().returncode == 0
    (clone.root / "requirements.txt").write_text("tiny\n# not mindspore==2.8.0\n")
    executable(clone.bin / "df", "#!/bin/sh\n" + df.format(3062))
    assert clone.run().returncode == 0
