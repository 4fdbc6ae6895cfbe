"""convert_data.py that is killed, stopped or interrupted, or whose disk is full."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.data.forms.writers.scenes import draw_scenes
from tests.engine.labels.conversions import convert, error_of, files_in


def start(folder, *words):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "convert_data.py"), *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def write_many(folder, count):
    """A COCO data set with many pictures, which are links to one file."""
    content = draw_scenes(folder, 6, pictures=1)
    image = content["images"][0]
    (one,) = (folder / "train").iterdir()
    content["images"] = []
    for number in range(1, count + 1):
        name = f"{number}.png"
        os.link(one, folder / "train" / name)
        content["images"].append({**image, "id": number, "file_name": name})
    for annotation in content["annotations"]:
        annotation["image_id"] = 1
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(content))


def test_a_killed_conversion_leaves_nothing_that_looks_whole(tmp_path):
    write_many(tmp_path / "drawn", 2000)
    rng = np.random.default_rng(0)
    killed = 0
    for _ in range(6):
        process = start(tmp_path, "drawn", "out", "--to", "yolo", "--overwrite")
        while process.poll() is None and not (tmp_path / "out.partial" / "labels").exists():
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert not (tmp_path / "out").exists() or len(files_in(tmp_path / "out")) == 4001
        assert set(os.listdir(tmp_path)) <= {"drawn", "out", "out.partial"}
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert killed >= 2
    convert(tmp_path, "drawn", "out", "--to", "yolo")
    assert len(files_in(tmp_path / "out")) == 4001 and sorted(os.listdir(tmp_path)) == ["drawn", "out"]


def stopped_while_it_writes(folder):
    """A conversion of 3,000 pictures to LabelMe's form that is stopped (SIGSTOP) in the middle of its files.

    On a busy machine it may have written them all before it is looked at; then it is done again.
    """
    write_many(folder / "drawn", 3000)
    for _ in range(5):
        process = start(folder, "drawn", "out", "--to", "labelme")
        partial = folder / "out.partial" / "train"
        while process.poll() is None and not (partial / "1.json").exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
        # Stopped, it cannot rename the folder any more.
        if partial.exists() and len(os.listdir(partial)) < 3000:
            return process
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        shutil.rmtree(folder / "out")
    raise AssertionError("the conversion always ended before it was looked at")


def test_two_processes_do_not_write_one_folder(tmp_path):
    process = stopped_while_it_writes(tmp_path)
    try:
        assert "another process is writing it" in error_of(tmp_path, "drawn", "out", "--to", "coco")
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0 and len(files_in(tmp_path / "out")) == 6000


def test_ctrl_c_removes_what_was_written(tmp_path):
    process = stopped_while_it_writes(tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate()
    assert process.returncode == 130 and errors.rstrip().endswith("interrupted")
    assert os.listdir(tmp_path) == ["drawn"]


@pytest.mark.parametrize("target", ["coco", "labelme", "txt", "yolo"])
def test_a_full_disk_is_one_line_and_nothing_is_left(target, tmp_path):
    write_many(tmp_path / "drawn", 300)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        line = error_of(tmp_path, "drawn", "disk/out", "--to", target)
        assert "No space left on device" in line and not os.listdir(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
