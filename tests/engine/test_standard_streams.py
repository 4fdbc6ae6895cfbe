"""What is printed when the reader has gone, the terminal has only ASCII, or the disk is full."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.small_job import SMALL


def first_line(command, folder, *words):
    """(exit code, first line of output, stderr) of a command whose reader closes the pipe after one line."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / command), *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    line = process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    return process.wait(timeout=300), line, errors


def rename_classes(names):
    def change(content):
        for category, name in zip(content["categories"], names):
            category["name"] = name

    return change


def test_a_reader_that_ends_early_is_no_error(coco_folder, tmp_path):
    words = [*SMALL, f"coco_root={coco_folder()}", "num_parallel_workers=1"]
    code, line, errors = first_line("check_data.py", tmp_path, *words)
    assert (code, errors) == (0, "") and line.endswith("(check_data=full)\n")
    # The command goes on: its files are there.
    assert json.loads((tmp_path / "data_report.json").read_text(encoding="utf-8"))
    assert (tmp_path / "data_report.png").stat().st_size > 0


@pytest.mark.parametrize("command", ["train.py", "predict.py", "convert_weights.py"])
@pytest.mark.parametrize("word", ["--keys", "--help"])
def test_help_whose_reader_ends_early(command, word, tmp_path):
    """The pipe is closed before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, str(ROOT / command), word],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_names_that_an_ascii_terminal_lacks_are_escapes(coco_folder, tmp_path, variables):
    root = coco_folder(change=rename_classes(["螺栓", "Schraubenmutter Größe 5"]))
    done = subprocess.run(
        [sys.executable, str(ROOT / "check_data.py"), *SMALL, f"coco_root={root}"],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u87ba\u6813" in done.stdout and rb"Gr\xf6\xdfe" in done.stdout
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "predict.py"), "--keys"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2 and done.stderr == "error: standard output: No space left on device\n"


def test_closed_standard_streams(tmp_path):
    done = subprocess.run(
        f"exec {sys.executable} {ROOT / 'predict.py'} --keys >&- 2>&-", shell=True, cwd=tmp_path
    )
    assert done.returncode == 0
