"""Ranks that are stopped, hang or differ: the job ends, and what it saved is whole."""

import os
import re
import signal
import time

import pytest

from tests.engine.distributed.rank_jobs import newest_state, rank_process, run_with_msrun, two_ranks
from tests.engine.jobs import PATIENCE, processes_with, weights
from tests.small_job import SMALL


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_job_that_is_stopped_saves_and_its_ranks_go_on_exactly(words, tmp_path):
    whole = two_ranks(tmp_path / "whole", words, "max_steps=30")
    job = two_ranks(tmp_path / "job", words, "max_steps=30")
    job.wait_for_step(8)
    job.kill(signal.SIGTERM)
    job.end(143)
    assert re.search("^SIGTERM: ending after epoch", (job.work / "log").read_text(), re.M)
    lines = [job.steps(rank) for rank in range(2)]
    assert lines[0] == lines[1] == newest_state(job.folder)["done"]
    two_ranks(tmp_path / "job", words, "max_steps=30", "resume=auto").end(0)
    whole.end(0)
    for rank in range(2):
        name = f"train_parallel{rank}/loss_{rank}.log"
        assert (job.folder / name).read_text() == (whole.folder / name).read_text()
    values, others = (
        weights(folder / "train_parallel0" / "checkpoint" / "mask_rcnn-3_8.ckpt")
        for folder in (job.folder, whole.folder)
    )
    assert all((values[name] == others[name]).all() for name in values)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["stopped", "data worker stopped"])
def test_a_rank_that_hangs_ends_the_job_within_a_minute(words, tmp_path, how):
    job = two_ranks(tmp_path, words)
    job.wait_for_step(4)
    victim = rank_process(job.folder, 1)
    hung = time.monotonic()
    for pid in [victim] if how == "stopped" else processes_with("src.data.pipeline.workers", victim):
        os.kill(pid, signal.SIGSTOP)
    job.process.wait(PATIENCE)
    assert time.monotonic() - hung < 75  # a minute, and what a crowded machine adds
    job.close()
    assert job.process.returncode not in (0, 2)
    expected = (
        r"^error: rank 1 is stopped: .* epoch \d+ step \d+"
        if how == "stopped"
        else r"^error: rank 1: data workers did nothing .*pictures \["
    )
    assert re.search(expected, (job.work / "log").read_text(), re.M), (job.work / "log").read_text()
    assert newest_state(job.folder)["done"] >= 1


SPOIL = """
import sys
import src.engine.hooks.sync_check as sync_check
from mindspore import Tensor
from src.config import load_config
from src.engine.hooks.hook import Hook
from src.engine.trainer import train
from src.engine.entry import run_main

class Spoil(Hook):
    def after_step(self, trainer, step):
        if step.global_step == 3 and trainer.device.rank == 1:
            weight = trainer.network.parameters_dict()["rpn.conv.weight"]
            value = weight.asnumpy().copy()
            value.view("uint32").flat[5] ^= 1
            weight.set_data(Tensor(value))

sync_check.INTERVAL = 0.5           # of auto, 30 seconds
run_main(lambda: train(load_config(sys.argv[1:]), "train_parallel{rank}", [Spoil()]) and None)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("every", ["2", "auto"])
def test_a_rank_that_differs_ends_the_job(words, tmp_path, every):
    """One bit of a weight of rank 1 is changed after step 3, as by a failing memory."""
    (tmp_path / "spoilt.py").write_text(SPOIL)
    words = [*SMALL, "norm=gn", *(word for word in words if not word.startswith("batch_size"))]
    done = run_with_msrun(
        tmp_path, "spoilt.py", *words, "batch_size=1", f"check_sync_steps={every}", check=False
    )
    assert done.returncode != 0
    output = "".join(path.read_text() for path in (tmp_path / "msrun").glob("worker*"))
    where = "1 step 4" if every == "2" else r"\d+ step \d+"
    assert re.search(
        rf"error: rank 1 differs from rank 0 after epoch {where}: \d+ of \d+ parameters, the first is \S+; ",
        output,
    ), output
    assert (tmp_path / "train_parallel0" / "checkpoint" / "latest.ckpt").exists()
