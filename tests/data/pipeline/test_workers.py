"""Worker processes: they die, hang and end with the trainer, and load no MindSpore."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from src.data.pipeline import workers as workers_module
from src.dataset import create_maskrcnn_dataset, start_workers
from src.errors import DataError
from tests.data.pipeline.batches import ROOT, prepare, same


def test_a_worker_that_dies_or_hangs_ends_the_iteration(coco_folder, tmp_path, monkeypatch):
    config, folder, _ = prepare(coco_folder(pictures=40), tmp_path)
    for how, words in ((signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "did nothing for")):
        with start_workers(config, folder, True) as shared_workers:
            batches = iter(create_maskrcnn_dataset(config, folder, 0, workers=shared_workers))
            next(batches)
            if how == signal.SIGSTOP:
                monkeypatch.setattr(workers_module, "HANG_SECONDS", 2.0)
            processes = list(shared_workers._processes)
            os.kill(processes[0].pid, how)
            start = time.time()
            with pytest.raises(DataError, match=words):
                list(batches)
            assert time.time() - start < 60
        assert all(process.poll() is not None for process in processes)


def test_workers_end_with_the_trainer(coco_folder, tmp_path):
    """A trainer killed in the middle leaves no process behind."""
    config, folder, _ = prepare(coco_folder(pictures=40), tmp_path)
    code = (
        "import sys, time; from src.config import load_config; from src.dataset import start_workers\n"
        "workers = start_workers(load_config(sys.argv[2:]), sys.argv[1], True)\n"
        "print(*[process.pid for process in workers._processes], flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.communicate()
    deadline = time.time() + 60
    while time.time() < deadline and any(_runs(pid) for pid in pids):
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    """Whether a process runs: it is there, and it is not one that only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_an_iteration_given_up_does_not_disturb_the_next(coco_folder, tmp_path):
    config, folder, _ = prepare(coco_folder(pictures=20), tmp_path)
    expected = list(create_maskrcnn_dataset(config, folder, 1))
    with start_workers(config, folder, True) as shared_workers:
        next(iter(create_maskrcnn_dataset(config, folder, 0, workers=shared_workers)))
        again = list(create_maskrcnn_dataset(config, folder, 1, workers=shared_workers))
    assert len(again) == 10 and all(same(a, b) for a, b in zip(expected, again))


def test_importing_the_data_side_loads_no_mindspore():
    """Workers stay small, and nothing starts a device."""
    code = (
        "import sys, src.dataset, src.data.pipeline.workers; print(sorted(name for name in "
        "sys.modules if name.split('.')[0] == 'mindspore'))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
