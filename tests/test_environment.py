"""The variables that are set before MindSpore is loaded."""

import os
import shutil
import subprocess
import sys

import pytest

from src import environment
from tests.conftest import ROOT
from tests.small_job import SMALL


@pytest.fixture
def variables(monkeypatch):
    """What is set where the user has set nothing, or `given`."""

    def run(mindspore_version, **given):
        for name in ("GLOG_v", "GLOG_minloglevel", "ONEDNN_MAX_CPU_ISA"):
            monkeypatch.setenv(name, "")  # so that it is restored afterwards, even where it was not set
            monkeypatch.delenv(name)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(environment, "version", lambda _: mindspore_version)
        environment.set_library_variables()
        return [os.environ.get(name) for name in ("GLOG_v", "GLOG_minloglevel", "ONEDNN_MAX_CPU_ISA")]

    return run


def test_only_errors_are_shown_unless_the_user_wants_more(variables):
    assert variables("2.8.0") == ["3", "2", None]
    assert variables("2.8.0", GLOG_v="1") == ["1", "0", None]
    assert variables("2.8.0", GLOG_v="3", GLOG_minloglevel="0") == ["3", "0", None]


def test_slow_releases_get_an_older_instruction_set(variables):
    assert variables("2.9.0")[2] == variables("2.10.1")[2] == "AVX2"
    assert variables("2.10.0", ONEDNN_MAX_CPU_ISA="AVX")[2] == "AVX"


def test_threads_of_kernels_leave_their_cores_when_they_are_done():
    """A hundred parallel kernels of microseconds: threads that wait busily would take milliseconds each."""
    code = (
        "import time, numpy as np\n"
        "from src.maskrcnn.cpu.nms_kernel import suppress\n"
        "arguments = np.zeros((2, 8, 4), np.float32), np.ones((2, 8), bool), np.float32(0.5)\n"
        "keep = np.empty((2, 8), bool)\n"
        "suppress(*arguments, keep)\n"
        "before = time.process_time()\n"
        "for _ in range(100):\n"
        "    suppress(*arguments, keep)\n"
        "    time.sleep(0.01)\n"
        "print(time.process_time() - before)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP", "GOMP"))}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert float(run.stdout) < 0.1, run.stderr


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project in which Numba can keep nothing: files are in the way, also for root."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "check_data.py", root)
    for folder in [root / "src", *(path for path in (root / "src").rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    return root


def homeless(tmp_path, **given):
    """The environment of a process whose home folder cannot be written, and a temporary folder of its own."""
    left_out = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    (tmp_path / "tmp").mkdir(exist_ok=True)
    return {**kept, "HOME": "/dev/null", "TMPDIR": str(tmp_path / "tmp"), **given}


def test_without_a_home_folder_and_on_a_checkout_that_others_own(checkout, coco_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, str(checkout / "check_data.py"), *SMALL, f"coco_root={coco_folder()}"],
        cwd=tmp_path,
        env=homeless(tmp_path),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (kept,) = (tmp_path / "tmp").glob("maskrcnn-*")
    assert list((kept / "numba").rglob("*.nbc")) and (kept / "matplotlib").is_dir()
    assert kept.stat().st_mode & 0o077 == 0 and not (tmp_path / "~").exists()


def variables_of(checkout, environment):
    code = "import os, src; print(os.environ.get('NUMBA_CACHE_DIR'), os.environ.get('MPLCONFIGDIR'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_caches_stay_where_they_can_be_written(checkout, tmp_path):
    (tmp_path / "home").mkdir()
    assert variables_of(checkout, homeless(tmp_path, HOME=str(tmp_path / "home"))) == ["None", "None"]
    assert variables_of(ROOT, homeless(tmp_path))[0] == "None"
    own = str(tmp_path / "own")
    assert variables_of(checkout, homeless(tmp_path, NUMBA_CACHE_DIR=own, MPLCONFIGDIR=own)) == [own, own]
    assert not list((tmp_path / "home").iterdir()) and not (tmp_path / "own").exists()


def test_a_temporary_folder_that_others_can_write_is_not_used(checkout, tmp_path):
    """Numba runs what it finds in its folder."""
    shared = tmp_path / "tmp" / f"maskrcnn-{os.getuid()}"
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    for folder in variables_of(checkout, homeless(tmp_path)):
        assert folder.startswith(str(tmp_path / "tmp" / "maskrcnn-")) and str(shared) + "/" not in folder


@pytest.mark.parametrize("text", ["-1", "abc", "1.5", "99999999999", "²"])
def test_a_device_id_that_is_no_number_of_a_card_is_one_line(tmp_path, text):
    """MindSpore itself would abort the process at -1, while it is imported."""
    variables = {**os.environ, "DEVICE_ID": text}
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "device_target=CPU"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=variables,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: DEVICE_ID={text}: the number of a card")


def test_an_empty_device_id_is_none(monkeypatch):
    monkeypatch.setenv("DEVICE_ID", "")
    assert environment.device_id_problem() is None
    monkeypatch.setenv("DEVICE_ID", "07")
    assert environment.device_id_problem() is None
