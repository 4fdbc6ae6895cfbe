"""Graphs kept between runs: a second start reads what the first compiled and computes the same, and nothing else is ever read."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.config import load_config
from src.data.shapes.drawn_data import draw_shapes
from src.engine.runtime.compile_cache import Store, cache_folder, digest, graph_file, prune
from src.engine.runtime.device import Device
from src.errors import ConfigError
from src.maskrcnn.cpu.custom_operator import custom_operator, name_of, operator_names
from src.weights.checkpoint_file import read_checkpoint
from tests.conftest import ROOT
from tests.test_commands import SMALL, run

CPU = Device("CPU")


class Start:
    """Starts of one training of three steps, each in a folder of its own, with the graphs kept in one place."""

    def __init__(self, folder):
        self.folder, self.graphs, self.number = folder, folder / "graphs", 0
        draw_shapes(folder / "data", 8, 2, size=(128, 128), seed=3)

    def __call__(self, *words, code=0):
        """(how the graph was had and in how many seconds, the losses' lines, the weights, all that was said) of a start."""
        self.number += 1
        work = self.folder / str(self.number)
        work.mkdir()
        done = run(
            "train.py",
            work,
            *SMALL,
            f"coco_root={self.folder / 'data'}",
            f"mindrecord_dir={self.folder / 'records'}",
            "max_steps=3",
            "batch_size=2",
            f"compile_cache={self.graphs}",
            *words,
            code=code,
        )
        if code:
            return done.stderr
        how, seconds = re.search(
            r"the graph was (compiled|read from \S+) in (\d+\.\d) s", done.stderr
        ).groups()
        return (
            how,
            float(seconds),
            (work / "train" / "loss_0.log").read_text(),
            read_checkpoint(work / "train" / "checkpoint" / "mask_rcnn-1_3.ckpt")[0],
        )

    def kept(self):
        return sorted(path for path in self.graphs.rglob("*.mindir"))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return Start(tmp_path_factory.mktemp("starts"))


@pytest.fixture(scope="module")
def first(start):
    return start()


def same(one, other):
    return one[2] == other[2] and all(
        np.array_equal(one[3][name].asnumpy(), other[3][name].asnumpy()) for name in one[3]
    )


@pytest.mark.slow
def test_a_second_start_reads_its_graph_and_computes_the_same(start, first):
    assert first[0] == "compiled" and len(start.kept()) == 1
    second = start(
        "save_checkpoint_steps=2", "log_interval=1", "total_epoch=13"
    )  # keys that are no part of a graph
    assert second[0] == f"read from {start.kept()[0].parents[2]}" and len(start.kept()) == 1
    assert second[1] < first[1] / 2 and same(first, second)
    assert not list(start.graphs.glob("*.partial"))


@pytest.mark.slow
def test_without_a_cache_the_results_are_the_same(start, first):
    plain = start("compile_cache=off")
    assert plain[0] == "compiled" and same(first, plain)


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
        kept[0].startswith("read from")
        and not same(first, kept)
        and same(kept, start("compile_cache=off", *other))
    )


@pytest.mark.slow
def test_another_setting_is_another_graph(start, first):
    changed = start("rcnn_smooth_l1_beta=0.1")
    assert changed[0] == "compiled" and len(start.kept()) == 2 and not same(first, changed)


def test_a_graph_that_was_cut_short_or_lost_its_checksum_is_none(tmp_path):
    copy = tmp_path / "graph"
    with Store(copy, 0) as store:
        written = store.used / "rank_0" / "graph_cache"  # as MindSpore writes them
        written.mkdir(parents=True)
        (written / "compile_cache_0.mindir").write_bytes(bytes(range(200)))
        with pytest.raises(OSError, match="could not write"):
            store.keep()
        (written / "compile_dependency.hash").write_text("1")
        store.keep()
    assert Store(copy, 0).used == copy and Store(copy, 1).used != copy
    graph = graph_file(copy / "rank_0")
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-7])
    assert Store(copy, 0).used != copy
    graph.write_bytes(whole)
    assert Store(copy, 0).used == copy
    (copy / "rank_0" / "crc32").unlink()
    assert Store(copy, 0).used != copy


@pytest.mark.slow
def test_a_damaged_graph_is_compiled_anew_and_kept(start, first):
    for path in start.kept():
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-7])
    damaged = start()
    assert damaged[0] == "compiled" and same(first, damaged)
    again = start()
    assert again[0].startswith("read from") and same(first, again)


def test_a_folder_that_cannot_be_written_is_said_before_the_first_step(start, tmp_path):
    (tmp_path / "file").write_text("")
    said = start(f"compile_cache={tmp_path / 'file'}", code=2)
    assert re.search(
        rf"^error: compile_cache={tmp_path / 'file'}: File exists; another folder, or compile_cache=off$",
        said,
        re.MULTILINE,
    )


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_run_goes_on(start, first, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        full = start(f"compile_cache={disk}")
        assert full[0] == "compiled" and same(first, full) and not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_evaluation_reads_its_graph_too(start, first):
    kept, figures = len(start.kept()), []
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


# ---- what a graph's name follows from


class Small(nn.Cell):
    def __init__(self, factor=2.0, table=(1.0, 2.0), size=3, name="weight"):
        super().__init__()
        self.factor, self.tables = factor, (Tensor(np.array(table, np.float32)),)
        self.weight = Parameter(Tensor(np.ones(size, np.float32)), name=name)


def of(cell=None, shape=(2, 3), words=(), device=CPU):
    return digest(cell or Small(), (Tensor(np.zeros(shape, np.float32)),), load_config(words), device)


OTHERS = [
    dict(cell=Small(factor=3.0)),
    dict(cell=Small(table=(1.0, 2.5))),
    dict(cell=Small(size=4)),
    dict(cell=Small(name="other")),
    dict(cell=Small().set_train()),
    dict(shape=(2, 4)),
    dict(words=["momentum=0.5"]),
    dict(device=Device("CPU", 0, 2)),
    dict(device=Device("Ascend")),
]


@pytest.mark.parametrize("change", OTHERS, ids=[str(number) for number in range(len(OTHERS))])
def test_whatever_goes_into_a_graph_gives_another_name(change):
    assert of() == of() and of(**change) != of()


def test_an_entry_without_a_file_has_names_too(monkeypatch):
    """`python -c`, as which the processes that share the tests run."""
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert of() == of() != of(shape=(2, 4))


def test_a_frozen_weight_gives_another_name():
    cell = Small()
    cell.weight.requires_grad = False
    assert of(cell) != of()


def test_places_and_pace_give_the_same_name():
    assert (
        of(
            words=[
                "coco_root=elsewhere",
                "save_checkpoint_minutes=3",
                "resume=auto",
                "base_lr=1",
                "seed=5",
                "flip_ratio=0",
            ]
        )
        == of()
    )


def test_an_operator_more_gives_another_name():
    before = of()

    def operator(x):
        return x + 12

    custom_operator(operator, lambda x: x, lambda x: x)
    assert of() != before and any("test_an_operator_more" in name for name in operator_names())


def operator_of(threshold, sizes):
    def operator(x):
        return x * threshold + len(sizes)

    return operator


def test_an_operator_is_named_by_what_it_was_made_with():
    names = {
        name_of(operator_of(*values))
        for values in [
            (1, [2]),
            (1, [3]),
            (2, [2]),
            (np.float32(1), [2]),
            (1, np.array([2])),
            (1, np.array([2.0])),
        ]
    }
    # a NumPy number prints as Python's, and is the same to the function
    assert len(names) >= 5 and name_of(operator_of(1, [2])) == name_of(operator_of(1, [2]))
    with pytest.raises(TypeError, match="only numbers, words, arrays and lists"):
        name_of(operator_of(object(), []))


def test_an_operator_has_the_same_name_in_another_process():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.engine.runtime.test_compile_cache import name_of, operator_of\n"
        "print(name_of(operator_of(0.1, {'b': [1, 2], 'a': None})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == name_of(operator_of(0.1, {"a": None, "b": [1, 2]}))


# ---- where graphs are kept


def test_auto_is_the_users_cache_on_the_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("auto", "CPU") == tmp_path / "maskrcnn_mindspore" / "graphs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("auto", "CPU") == tmp_path / "home" / ".cache" / "maskrcnn_mindspore" / "graphs"
    assert cache_folder("auto", "Ascend") is None and cache_folder("off", "CPU") is None
    assert cache_folder(str(tmp_path / "mine"), "Ascend") == tmp_path / "mine"


def test_the_graphs_longest_unused_go(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (1000 + number, 1000 + number))
    os.utime(tmp_path / "1", (2000, 2000))
    prune(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "4", "5"]


def test_an_empty_setting_is_an_error():
    with pytest.raises(ConfigError, match="compile_cache=: 'auto', 'off' or a folder expected"):
        load_config(["compile_cache="])
