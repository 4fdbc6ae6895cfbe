"""run_distribute_train.sh without a rank table: msrun starts the processes."""

from __future__ import annotations

import shlex
import signal
import sys
import time

import pytest

from tests.scripts.conftest import PATIENCE, TRAIN, all_end, clean_environment, executable, logs, wait_until

LONG = PATIENCE + 60  # seconds, so that a rank ends for no other reason than the one that a test is about


@pytest.fixture
def msrun(sandbox):
    """The fake interpreter, which starts the real msrun."""
    return executable(
        sandbox.folder.parent / "with msrun",
        f"""#!/bin/bash
[[ $1 != -m ]] || exec {shlex.quote(sys.executable)} "$@"
exec {shlex.quote(str(sandbox.python))} "$@"
""",
    )


def test_msrun_is_called_with_the_hosts_and_workers(sandbox):
    hosts = {"WORKERS": 4, "NODES": 2, "NODE_RANK": 1, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": 8200}
    hosts["RANK_TABLE_FILE"] = "table.json"  # MindSpore 2.8 does not start where it finds one
    run = sandbox.run("run_distribute_train.sh", "-", "", "device_target=CPU", **hosts)
    assert run.returncode == 0, run.stderr
    [call] = sandbox.calls()
    assert call["argv"] == [
        "-m",
        "mindspore.parallel.cluster.run",
        "--worker_num=4",
        "--local_worker_num=2",
        "--master_addr=10.0.0.1",
        "--master_port=8200",
        "--node_rank=1",
        "--join=True",
        "--log_dir=train_parallel2/msrun",
        "--tail_worker_log=4",
        *TRAIN,
        "device_target=CPU",
    ]
    assert "RANK_TABLE_FILE" not in call["env"]
    assert call["env"]["HCCL_CONNECT_TIMEOUT"] == "600" and set(logs(sandbox)) == {
        "train_parallel2",
        "train_parallel3",
    }


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        ({"WORKERS": "two"}, "WORKERS=two"),
        ({"WORKERS": "0"}, "WORKERS=0"),
        ({"WORKERS": "3", "NODES": "2", "MASTER_ADDR": "a"}, "WORKERS=3"),
        ({"NODES": "2"}, "MASTER_ADDR"),
        ({"NODES": "2", "NODE_RANK": "2", "MASTER_ADDR": "a"}, "NODE_RANK=2"),
    ],
)
def test_a_mistake_about_the_hosts_is_one_line_and_code_2(sandbox, extra, part):
    run = sandbox.run("run_distribute_train.sh", "-", **extra)
    assert (
        run.returncode == 2
        and part in run.stderr
        and len(run.stderr.splitlines()) == 1
        and not sandbox.calls()
    )


def test_ranks_of_the_real_msrun(sandbox, msrun):
    run = sandbox.run("run_distribute_train.sh", "-", "seed=2", WORKERS=2, PYTHON=msrun)
    assert run.returncode == 0, run.stderr
    ranks = [call for call in sandbox.calls() if call["env"]["MS_ROLE"] == "MS_WORKER"]
    assert [[call["env"][name] for name in ("RANK_ID", "RANK_SIZE", "DEVICE_ID")] for call in ranks] == [
        list("020"),
        list("121"),
    ]
    assert all(call["argv"] == TRAIN + ["seed=2"] for call in sandbox.calls())
    # What a rank starts finds the user's programs, not the `python` that msrun was led to.
    assert {call["env"]["PATH"] for call in sandbox.calls()} == {clean_environment()["PATH"]}
    assert all(logs(sandbox)[f"train_parallel{rank}"].count(f"out of rank {rank}") == 1 for rank in range(2))
    assert "out of rank 0" in run.stdout and not list(sandbox.folder.glob("*/.launch"))


def test_a_failing_rank_of_the_real_msrun(sandbox, msrun):
    run = sandbox.run(
        "run_distribute_train.sh",
        "-",
        WORKERS=2,
        PYTHON=msrun,
        do={"0": {"sleep": 60}, "1": {"sleep": 1, "code": 5}},
    )
    assert (
        run.returncode == 5 and "rank 1 failed with exit code 5" in run.stderr and "Killed" not in run.stderr
    )
    assert all_end(call.stem for call in sandbox.records.glob("*.json"))


def test_msrun_kills_no_rank_before_the_script_has_seen_the_failure(sandbox, msrun):
    """On a busy machine the script may look at the ranks after msrun does.

    Here it is stopped for three of msrun's looks, which are a second apart.
    """
    go = sandbox.folder / "go"
    process = sandbox.start(
        "run_distribute_train.sh",
        "-",
        WORKERS=2,
        PYTHON=msrun,
        do={"0": {"sleep": LONG}, "1": {"wait for": str(go), "code": 5}},
    )
    sandbox.wait_for_calls(3, process)
    process.send_signal(signal.SIGSTOP)
    go.touch()
    wait_until(lambda: list(sandbox.folder.glob("*/.launch/failed")), process)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5 and "rank 1 failed with exit code 5" in errors
    assert sandbox.signals().count(signal.SIGTERM) == 1  # rank 0 was asked to end, not killed


def test_a_signal_lets_the_ranks_of_the_real_msrun_end_by_themselves(sandbox, msrun):
    process = sandbox.start(
        "run_distribute_train.sh", "-", WORKERS=2, PYTHON=msrun, do={rank: {"sleep": LONG} for rank in "01"}
    )
    sandbox.wait_for_calls(3, process)  # the scheduler and two ranks
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143 and sandbox.signals().count(signal.SIGTERM) == 2
