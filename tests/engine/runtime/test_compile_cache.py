"""Graphs kept between runs: a second start reads what the first compiled and computes the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

from src.config import load_config
from src.data.shapes.drawn_data import draw_shapes
from src.engine.runtime.compile_cache import cache_folder
from src.errors import ConfigError
from src.weights.checkpoint_file import read_checkpoint
from tests.conftest import ROOT
from tests.small_job import SMALL, run


class Result(NamedTuple):
    """How a start got its graph and in how many seconds, its loss log, its weights."""

    how: str
    seconds: float
    log: str
    weights: dict

    def equals(self, other):
        return self.log == other.log and all(
            np.array_equal(self.weights[name].asnumpy(), other.weights[name].asnumpy())
            for name in self.weights
        )


class Starts:
    """Starts of one training of three steps, each in a folder of its own, all with the same kept graphs."""

    def __init__(self, folder):
        self.folder = folder
        self.graphs = folder / "graphs"
        self.number = 0
        draw_shapes(folder / "data", 8, 2, size=(128, 128), seed=3)

    def train(self, *words, code=0):
        """(the finished process, its folder)."""
        self.number += 1
        work = self.folder / str(self.number)
        work.mkdir()
        data = [f"coco_root={self.folder / 'data'}", f"mindrecord_dir={self.folder / 'records'}"]
        words = ["max_steps=3", "batch_size=2", f"compile_cache={self.graphs}", *words]
        return run("train.py", work, *SMALL, *data, *words, code=code), work

    def __call__(self, *words):
        """The Result of one start."""
        done, work = self.train(*words)
        match = re.search(r"the graph was (compiled|read from \S+) in (\d+\.\d) s", done.stderr)
        return Result(
            match[1],
            float(match[2]),
            (work / "train" / "loss_0.log").read_text(),
            read_checkpoint(work / "train" / "checkpoint" / "mask_rcnn-1_3.ckpt").entries,
        )

    def kept(self):
        return sorted(path for path in self.graphs.rglob("*.mindir"))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return Starts(tmp_path_factory.mktemp("starts"))


@pytest.fixture(scope="module")
def first(start):
    return start()


@pytest.mark.slow
def test_a_second_start_reads_its_graph_and_computes_the_same(start, first):
    assert first.how == "compiled" and len(start.kept()) == 1
    second = start(
        "save_checkpoint_steps=2", "log_interval=1", "total_epoch=13"
    )  # keys that are no part of a graph
    assert second.how == f"read from {start.kept()[0].parents[2]}" and len(start.kept()) == 1
    assert second.seconds < first.seconds / 2 and first.equals(second)
    assert not list(start.graphs.glob("*.partial"))


@pytest.mark.slow
def test_without_a_cache_the_results_are_the_same(start, first):
    plain = start("compile_cache=off")
    assert plain.how == "compiled" and first.equals(plain)


@pytest.mark.slow
def test_another_rate_seed_and_augmentation_are_another_run_of_the_same_graph(start, first):
    other = [
        "base_lr=0.005",
        "warmup_step=1",
        "seed=4",
        "flip_ratio=1",
        "expand_ratio=0",
        "multi_scale=[96,112]",
        "color_jitter=[.2,.2,.2,.1]",
    ]
    kept = start(*other)
    assert (
        kept.how.startswith("read from")
        and not first.equals(kept)
        and kept.equals(start("compile_cache=off", *other))
    )


@pytest.mark.slow
def test_another_setting_is_another_graph(start, first):
    changed = start("rcnn_smooth_l1_beta=0.1")
    assert changed.how == "compiled" and len(start.kept()) == 2 and not first.equals(changed)


@pytest.mark.slow
def test_a_damaged_graph_is_compiled_anew_and_kept(start, first):
    for path in start.kept():
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-7])
    damaged = start()
    assert damaged.how == "compiled" and first.equals(damaged)
    again = start()
    assert again.how.startswith("read from") and first.equals(again)


def test_a_folder_that_cannot_be_written_is_reported_before_the_data_are_converted(start, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    words = (f"compile_cache={file}", f"mindrecord_dir={tmp_path / 'records'}")
    said = start.train(*words, code=2)[0].stderr
    assert re.search(
        rf"^error: compile_cache {file}: {file} is a file, not a folder; choose another folder or ",
        said,
        re.MULTILINE,
    )
    assert not (tmp_path / "records").exists()


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_run_goes_on(start, first, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        full = start(f"compile_cache={disk}")
        assert full.how == "compiled" and first.equals(full) and not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_evaluation_reads_its_graph_too(start, first):
    kept = len(start.kept())
    figures = []
    for number in range(2):
        folder = start.folder / f"eval{number}"
        folder.mkdir()
        run(
            "eval.py",
            folder,
            f"checkpoint_path={start.folder / '1' / 'train' / 'checkpoint' / 'mask_rcnn-1_3.ckpt'}",
            "test_score_thr=0.01",
            f"coco_root={start.folder / 'data'}",
            f"compile_cache={start.graphs}",
            "device_target=CPU",
        )
        figures.append((folder / "eval" / "results_segm.json").read_text())
        assert len(start.kept()) == kept + 1
    assert figures[0] == figures[1]


def test_auto_is_the_users_cache_on_the_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("auto", "CPU") == tmp_path / "maskrcnn_mindspore" / "graphs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("auto", "CPU") == tmp_path / "home" / ".cache" / "maskrcnn_mindspore" / "graphs"
    assert cache_folder("auto", "Ascend") is None and cache_folder("off", "CPU") is None
    assert cache_folder(str(tmp_path / "mine"), "Ascend") == tmp_path / "mine"


def test_an_empty_setting_is_an_error():
    with pytest.raises(ConfigError, match="compile_cache=: 'auto', 'off' or a folder expected"):
        load_config(["compile_cache="])


PROGRAM = """
from .cell import make_cell
import numpy as np
from mindspore import Tensor
from src.config import load_config, values_with
from src.engine.runtime.compile_cache import compile_cell
from src.engine.runtime.device import Device

if __name__ == "__main__":
    cell = make_cell()
    inputs = (Tensor(np.array([1, 2], np.float32)),)
    print(compile_cell(cell, inputs, Device("CPU"), "graphs", values_with(load_config(), "in_graph")))
    print(cell(*inputs).asnumpy().tolist())
"""
CELL = """
from mindspore import nn

class Twice(nn.Cell):
    def construct(self, x):
        return x * 2

def make_cell():
    return Twice()
"""


def test_a_module_with_relative_imports_keeps_its_graph(tmp_path):
    """The demo and every user's package are started so, by `python -m`."""
    package = tmp_path / "job"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cell.py").write_text(CELL)
    (package / "start.py").write_text(PROGRAM)
    how = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "job.start"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        how.append(done.stdout.splitlines()[0].split()[0])
        assert done.stdout.splitlines()[1] == "[2.0, 4.0]"
    assert how == ["compiled", "read"]
