"""Runs that are killed, stopped or hurt, and resumed, equal the run that was left alone."""

import os
import random
import re
import signal

import pytest

from src.engine.display.loss_lines import cut_loss_log, read_loss_log
from src.engine.display.metrics_file import read_metrics
from src.weights.checkpoint_file import read_training
from tests.engine.jobs import STEPS, Job, assert_equal_runs, assert_equal_weights, processes_with


def assert_as_straight(job, straight):
    if straight.process.poll() is None:
        straight.end(0)
    assert_equal_runs(job.work / "loss_0.log", straight.work / "loss_0.log")
    rates, others = (
        [(row["step"], row["lr"]) for row in read_metrics(run.work / "metrics.jsonl")]
        for run in (job, straight)
    )
    assert rates == others and len(rates) == STEPS
    assert_equal_weights(
        job.work / "checkpoint" / "mask_rcnn-6_5.ckpt", straight.work / "checkpoint" / "mask_rcnn-6_5.ckpt"
    )


@pytest.mark.timeout(3600)
def test_a_run_that_loses_a_data_worker_is_killed_and_is_stopped_equals_one_left_alone(
    words, straight, tmp_path
):
    drawn = random.Random()
    moments = sorted(drawn.sample(range(2, STEPS - 8), 3))
    print("moments:", moments)  # shown when this fails
    job = Job(tmp_path, *words)
    job.wait_for_step(moments[0])
    os.kill(drawn.choice(processes_with("src.data.pipeline.workers", job.process.pid)), signal.SIGKILL)
    output = job.end(3)
    error = re.search(
        r"^error: data worker \d ended by SIGKILL .*(?:pictures \[\d+\]|nothing to do) "
        r"\(rank 0, epoch (\d+) step (\d+)\); resume=auto .*$",
        output,
        re.M,
    )
    assert error and "Traceback" not in output, output
    done = (int(error[1]) - 1) * 11 + int(error[2]) - 1
    state = read_training(job.work / "checkpoint" / "latest.ckpt")[3]
    assert state["done"] == done == job.steps()  # nothing was lost

    job = Job(tmp_path, *words, "resume=auto")
    job.wait_for_step(max(moments[1], done + 1))
    job.kill()
    job.end(-signal.SIGKILL)
    lines = job.steps()

    job = Job(tmp_path, *words, "resume=auto")
    job.wait_for_step(max(moments[2], lines + 1))
    job.kill(signal.SIGTERM)
    output = job.end(143)
    stopped = re.search(
        r"^SIGTERM: ending after epoch (\d+) step (\d+); resume=auto goes on from .*latest.ckpt$",
        output,
        re.M,
    )
    assert stopped and (int(stopped[1]) - 1) * 11 + int(stopped[2]) == job.steps()

    job = Job(tmp_path, *words, f"resume={job.work / 'checkpoint' / 'latest.ckpt'}")
    output = job.end(0)
    assert f"weights resumed from {job.work / 'checkpoint' / 'latest.ckpt'}" in output
    assert_as_straight(job, straight)
    assert (
        not list((job.work / "checkpoint").glob(".*"))
        and not (job.work / "checkpoint" / "latest.ckpt").exists()
    )


# An update of two batches, whose scale doubles every third update; a checkpoint after step 7 has one batch
# added up.
STATES = [
    "optimizer=adamw",
    "base_lr=0.001",
    "warmup_step=4",
    "accumulate_steps=2",
    "loss_scale=dynamic",
    "loss_scale_window=3",
    "ema_decay=0.99",
    "clip_grad_norm=5",
    "max_steps=22",
    "save_checkpoint_steps=7",
    "save_checkpoint_minutes=0",
    "tensorboard=False",
]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_accumulation_loss_scale_and_average_go_on_in_the_middle_of_an_update(words, tmp_path):
    own = [*(word for word in words if not word.startswith("max_steps")), *STATES]
    left_alone, job = Job(tmp_path / "alone", *own), Job(tmp_path / "killed", *own)
    job.wait_for_step(random.Random().randrange(8, 12))
    job.kill()
    job.end(-signal.SIGKILL)
    rest, state = read_training(job.work / "checkpoint" / "mask_rcnn-1_7.ckpt")[2:]
    held = [
        float(rest[name].asnumpy())
        for name in ("accumulated_batches", "loss_scale", "finite_updates", "ema_updates")
    ]
    assert state["done"] == 7 and held == [
        1,
        2 * 65536,
        0,
        3,
    ]  # three updates, after which the scale has been doubled
    job = Job(tmp_path / "killed", *own, "resume=auto")
    assert re.search(r"weights resumed from .*mask_rcnn-1_(7|11)\.ckpt", job.end(0))
    left_alone.end(0)
    assert_equal_runs(job.work / "loss_0.log", left_alone.work / "loss_0.log")
    rows, others = (
        [row for row in read_metrics(folder.work / "metrics.jsonl") if "total_loss" in row]
        for folder in (job, left_alone)
    )
    for name in ("step", "lr", "loss_scale", "skipped"):
        assert [row[name] for row in rows] == [row[name] for row in others]
    assert [row["loss_scale"] / 65536 for row in rows[5::6]] == [2, 4, 8]
    for name in ("mask_rcnn-2_11.ckpt", "mask_rcnn_ema-2_11.ckpt"):
        assert_equal_weights(job.work / "checkpoint" / name, left_alone.work / "checkpoint" / name)


@pytest.mark.timeout(3600)
def test_saving_costs_little(straight):
    """The run prints what its checkpoints cost: one at the start, one an epoch, and those between."""
    output = straight.text() if straight.process.poll() is not None else straight.end(0)
    said = re.search(r"^checkpoints: (\d+) written in ([\d.]+) s of ([\d.]+) s \(([\d.]+)%\)$", output, re.M)
    assert said and int(said[1]) >= 7, output
    assert float(said[4]) <= 3.0 and float(said[2]) / float(said[3]) <= 0.031


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_run_killed_at_ten_random_moments_equals_one_left_alone(words, straight, tmp_path):
    drawn = random.Random()
    moments = sorted(drawn.sample(range(1, STEPS - 3), 10))
    print("moments:", moments)
    for moment in moments:
        job = Job(tmp_path, *words, "resume=auto")
        job.wait_for_step(max(moment, job.steps() + 1))
        job.kill()
        job.end(-signal.SIGKILL)
    job = Job(tmp_path, *words, "resume=auto")
    job.end(0)
    assert_as_straight(job, straight)


@pytest.mark.slow
def test_ctrl_c_saves_and_ends_with_130(words, tmp_path):
    job = Job(tmp_path, *words)
    job.wait_for_step(3)
    job.kill(signal.SIGINT)
    assert "SIGINT: ending after epoch 1 step" in job.end(130)
    assert read_training(job.work / "checkpoint" / "latest.ckpt")[3]["done"] == job.steps()


@pytest.mark.slow
def test_a_data_worker_that_hangs_ends_the_run_with_what_it_did(words, tmp_path):
    job = Job(tmp_path, *words)
    job.wait_for_step(3)
    for worker in processes_with("src.data.pipeline.workers", job.process.pid):
        os.kill(worker, signal.SIGSTOP)
    output = job.end(3)
    assert re.search(
        r"^error: data workers did nothing for 20 s .*pictures \[\d+.*\(rank 0, epoch \d+ step \d+\)",
        output,
        re.M,
    ), output
    assert read_training(job.work / "checkpoint" / "latest.ckpt")[3]["done"] == job.steps()


LINE = (
    "epoch: {} step: {} ,rpn_loss: 0.05716, rcnn_loss: 0.81152, rpn_cls_loss: 0.04828, "
    "rpn_reg_loss: 0.00889, "
    "rcnn_cls_loss: 0.28784, "
    "rcnn_reg_loss: 0.17590, rcnn_mask_loss: 0.34790, total_loss: 0.86868\n"
)


def test_a_loss_log_is_cut_after_the_step_that_is_resumed(tmp_path):
    path = tmp_path / "loss_0.log"
    cut_loss_log(path, 1, 1)
    assert not path.exists()
    path.write_text(
        "".join(LINE.format(epoch, step) for epoch in (1, 2, 3) for step in (1, 2, 3)) + "epoch: 4 st"
    )
    cut_loss_log(path, 2, 2)
    assert path.read_text() == "".join(
        LINE.format(*place) for place in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))
    )
    assert len(read_loss_log(path)) == 5 and [item.name for item in tmp_path.iterdir()] == ["loss_0.log"]
