"""run_distribute_train.sh with a rank table: one process a device, ended together."""

from __future__ import annotations

import signal
import time

import pytest

from scripts.rank_table import outward_address
from tests.scripts.conftest import CORES, TRAIN, all_end, executable, is_running, logs


@pytest.mark.parametrize("devices", [[0], [0, 1], list(range(8))])
def test_one_process_a_device_with_its_variables(sandbox, devices):
    table = sandbox.rank_table(devices)
    (sandbox.folder / "the backbone.ckpt").write_text("weights")
    run = sandbox.run(
        "run_distribute_train.sh", table.name, "the backbone.ckpt", "batch_size=1", "coco_root=a b"
    )
    assert run.returncode == 0, run.stderr
    calls = sandbox.ranks()
    assert len(calls) == len(devices)
    share = len(CORES) // len(devices)
    for rank, call in enumerate(calls):
        assert call["argv"] == TRAIN + ["pre_trained=the backbone.ckpt", "batch_size=1", "coco_root=a b"]
        names = ("RANK_ID", "DEVICE_ID", "RANK_SIZE", "DEVICE_NUM", "SERVER_ID", "HCCL_CONNECT_TIMEOUT")
        assert [call["env"][name] for name in names] == [
            str(rank),
            str(devices[rank]),
            str(len(devices)),
            str(len(devices)),
            "0",
            "600",
        ]
        # MindSpore 2.8 does not start from a table: the ranks join its cluster.
        assert "RANK_TABLE_FILE" not in call["env"]
        if len(devices) > 1:
            names = ("MS_ROLE", "MS_NODE_ID", "MS_WORKER_NUM", "MS_SCHED_HOST", "MS_TOPO_TIMEOUT")
            assert [call["env"][name] for name in names] == [
                "MS_WORKER",
                str(rank),
                str(len(devices)),
                "127.0.0.1",
                "600",
            ]
        assert call["cores"] == (CORES[rank * share : (rank + 1) * share] if share else CORES)
    assert len(sandbox.calls()) == len(devices) + (len(devices) > 1)  # the scheduler
    assert len({call["env"].get("MS_SCHED_PORT") for call in sandbox.calls()}) == 1
    assert logs(sandbox) == {
        f"train_parallel{rank}": logs(sandbox)[f"train_parallel{rank}"] for rank in range(len(devices))
    }
    for rank in range(len(devices)):
        assert sorted(logs(sandbox)[f"train_parallel{rank}"].splitlines()) == [
            f"err of rank {rank}",
            f"out of rank {rank}",
        ]
        files = sorted(path.name for path in (sandbox.folder / f"train_parallel{rank}").iterdir())
        assert files == (["log", "msrun"] if rank == 0 and len(devices) > 1 else ["log"])
    assert sorted(run.stdout.splitlines()) == [
        "err of rank 0",
        "out of rank 0",
    ]  # the first rank's log is shown


def test_devices_of_the_table_not_their_count_are_used(sandbox):
    run = sandbox.run(
        "run_distribute_train.sh", sandbox.rank_table([4, 6]), HCCL_CONNECT_TIMEOUT=1200, NO_BIND=1
    )
    assert run.returncode == 0, run.stderr
    assert [(call["env"]["RANK_ID"], call["env"]["DEVICE_ID"]) for call in sandbox.ranks()] == [
        ("0", "4"),
        ("1", "6"),
    ]
    assert all(
        call["env"]["HCCL_CONNECT_TIMEOUT"] == "1200" and call["cores"] == CORES for call in sandbox.ranks()
    )
    assert all(call["argv"] == TRAIN for call in sandbox.calls())


@pytest.mark.parametrize("variables", [{}, {"RANK_TABLE_FILE": "another.json"}])
def test_a_rank_has_the_number_that_the_table_gives_it(sandbox, variables):
    """Also where the servers do not stand in the dictionary order that MindSpore once demanded."""
    table = sandbox.rank_table([0], servers=("10.0.0.9", "10.0.0.10"))
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=1, **variables)
    assert run.returncode == 0 and "warning" not in run.stderr, run.stderr
    [call] = sandbox.calls()
    names = ("RANK_ID", "MS_NODE_ID", "MS_SCHED_HOST")
    assert [call["env"][name] for name in names] == ["1", "1", "10.0.0.9"]
    assert "RANK_TABLE_FILE" not in call["env"]


def test_each_server_starts_its_own_ranks(sandbox):
    table = sandbox.rank_table([0, 1], servers=("10.255.0.1", "127.0.0.1", "10.255.0.3"))
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=2)
    assert run.returncode == 0, run.stderr
    names = ("RANK_ID", "DEVICE_ID", "RANK_SIZE", "DEVICE_NUM", "SERVER_ID")
    assert [[call["env"][name] for name in names] for call in sandbox.ranks()] == [
        list("40622"),
        list("51622"),
    ]
    assert set(logs(sandbox)) == {"train_parallel4", "train_parallel5"}
    # All hosts meet at rank 0's, which runs the scheduler.
    assert [call["env"]["MS_SCHED_HOST"] for call in sandbox.calls()] == ["10.255.0.1"] * 2
    assert [call["env"]["MS_SCHED_PORT"] for call in sandbox.calls()] == ["8118"] * 2
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=3)
    assert run.returncode == 2 and "SERVER_ID=3" in run.stderr and "0 to 2" in run.stderr


def test_a_server_may_be_named(sandbox):
    """MindSpore takes an address; a name of this host may be known here as one that only it reaches."""
    table = sandbox.rank_table([0], servers=("localhost", "10.255.0.2"))
    for server, address in ((1, "127.0.0.1"), (0, outward_address())):
        run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=server, FORCE=1)
        assert run.returncode == 0, run.stderr
        assert {call["env"]["MS_SCHED_HOST"] for call in sandbox.calls()} == {address}
        sandbox.forget()
    # A name for an address of this host tells which server it is.
    run = sandbox.run("run_distribute_train.sh", table, FORCE=1, MASTER_ADDR="10.255.0.9")
    assert run.returncode == 0, run.stderr
    assert {call["env"]["MS_SCHED_HOST"] for call in sandbox.calls()} == {"10.255.0.9"}
    assert [call["env"]["RANK_ID"] for call in sandbox.ranks()] == ["0"]


def test_a_server_of_an_unknown_name_is_one_line(sandbox):
    table = sandbox.rank_table([0], servers=("nowhere.invalid", "10.255.0.2"))
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=1)
    assert run.returncode == 2 and len(run.stderr.splitlines()) == 1 and not sandbox.calls()
    assert "nowhere.invalid" in run.stderr and "MASTER_ADDR" in run.stderr
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=1, MASTER_ADDR="10.255.0.1")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("servers", "kept"), [(("10.255.0.1", "10.255.0.2"), True), (("10.255.0.1",), False)]
)
def test_the_scheduler_stays_for_the_ranks_of_other_hosts(sandbox, servers, kept):
    start = time.monotonic()
    seconds = 6 if kept else 60
    table = sandbox.rank_table([0, 1], servers)
    run = sandbox.run("run_distribute_train.sh", table, SERVER_ID=0, do={"scheduler": {"sleep": seconds}})
    assert run.returncode == 0, run.stderr
    assert (time.monotonic() - start >= seconds) == kept


def test_a_signal_ends_a_scheduler_that_waits_for_other_hosts(sandbox):
    table = sandbox.rank_table([0], servers=("10.255.0.1", "10.255.0.2"))
    todo = {"scheduler": {"sleep": 90}}
    process = sandbox.start("run_distribute_train.sh", table, do=todo, SERVER_ID=0)
    sandbox.wait_for_calls(2, process)
    time.sleep(2)  # the rank has ended
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not any(is_running(call.stem) for call in sandbox.records.glob("*.json"))


def test_a_failing_rank_ends_the_others_and_its_code_is_passed_on(sandbox):
    start = time.monotonic()
    todo = {"0": {"sleep": 60}, "1": {"sleep": 0.5, "code": 7}, "2": {"sleep": 60}}
    run = sandbox.run("run_distribute_train.sh", sandbox.rank_table([0, 1, 2]), do=todo)
    assert run.returncode == 7 and time.monotonic() - start < 20
    assert "rank 1 failed with exit code 7" in run.stderr and "err of rank 1" in run.stderr
    assert sandbox.signals() == [signal.SIGTERM] * 2


def test_a_scheduler_that_fails_ends_the_ranks_that_wait_for_it(sandbox):
    start = time.monotonic()
    todo = {"scheduler": {"sleep": 0.5, "code": 9}, "0": {"sleep": 60}, "1": {"sleep": 60}}
    run = sandbox.run("run_distribute_train.sh", sandbox.rank_table([0, 1]), do=todo)
    assert run.returncode == 9 and time.monotonic() - start < 20
    assert "scheduler at 127.0.0.1:" in run.stderr and "err of rank scheduler" in run.stderr
    assert sandbox.signals() == [signal.SIGTERM] * 2


def test_a_killed_rank_counts_as_failed(sandbox):
    todo = {"0": {"sleep": 60}, "1": {"sleep": 0.2, "kill": int(signal.SIGKILL)}}
    run = sandbox.run("run_distribute_train.sh", sandbox.rank_table([0, 1]), do=todo)
    assert run.returncode == 128 + signal.SIGKILL and "rank 1 failed with exit code 137" in run.stderr


def test_a_rank_that_ignores_term_is_killed_at_the_second_signal(sandbox):
    deaf = executable(
        sandbox.folder.parent / "deaf",
        """#!/bin/bash
trap '' TERM
echo '{}' >"$FAKE_PYTHON_RECORD/$$.json"
while :; do sleep 0.1; done
""",
    )
    process = sandbox.start("run_distribute_train.sh", sandbox.rank_table([0, 1]), PYTHON=deaf)
    sandbox.wait_for_calls(3, process)  # the scheduler and two ranks
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert all(is_running(call.stem) for call in sandbox.records.iterdir())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143 and all_end(call.stem for call in sandbox.records.iterdir())


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_all_ranks_end_by_themselves(sandbox, sent, code):
    process = sandbox.start(
        "run_distribute_train.sh", sandbox.rank_table([0, 1]), do={"0": {"sleep": 60}, "1": {"sleep": 60}}
    )
    sandbox.wait_for_calls(3, process)  # the scheduler and two ranks
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode == code and sandbox.signals() == [signal.SIGTERM] * 2


def test_earlier_runs_are_refused_resumed_or_deleted(sandbox):
    table = sandbox.rank_table([0, 1])
    files = [sandbox.folder / f"train_parallel{rank}" / "loss.log" for rank in range(3)]
    files[2].parent.mkdir()
    files[2].write_text("of a wider run")
    run = sandbox.run("run_distribute_train.sh", table)
    assert (
        run.returncode == 2 and "train_parallel2 holds an earlier run" in run.stderr and not sandbox.calls()
    )
    (files[2].parent / "log").write_text("")
    run = sandbox.run(
        "run_distribute_train.sh",
        table,
        FORCE=1,
        do={str(rank): {"file": str(files[rank])} for rank in range(2)},
    )
    assert run.returncode == 0 and [file.exists() for file in files] == [True, True, False]
    sandbox.forget()
    assert sandbox.run("run_distribute_train.sh", table).returncode == 2 and not sandbox.calls()
    run = sandbox.run("run_distribute_train.sh", table, "resume=auto")
    assert (
        run.returncode == 0
        and len(sandbox.ranks()) == 2
        and logs(sandbox)["train_parallel1"].count("out of rank 1") == 2
    )
    run = sandbox.run("run_distribute_train.sh", table, FORCE=1)
    assert run.returncode == 0 and not any(file.exists() for file in files)


def test_a_mistake_in_the_command_leaves_no_folders_behind(sandbox):
    run = sandbox.run(
        "run_distribute_train.sh", sandbox.rank_table([0, 1]), do={"0": {"code": 2}, "1": {"code": 2}}
    )
    assert run.returncode == 2 and logs(sandbox) == {}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{", ("not a JSON file",)),
        ("{}", ("server_list", "make_rank_table.sh")),
        ('{"server_list": [{"server_id": "a", "device": [{"device_id": "0"}]}]}', ("rank_id",)),
        ('{"server_list": [{"server_id": "a", "device": [{"device_id": "x", "rank_id": "0"}]}]}', ("'x'",)),
        ('{"server_list": [{"server_id": "a", "device": []}]}', ("rank_ids are []",)),
        (
            '{"server_list": [{"server_id": "a", "device": [{"device_id": "0", "rank_id": "1"}]}]}',
            ("rank_ids are [1]",),
        ),
        (
            '{"server_list": [{"server_id": "a", "device": [{"device_id": "0", "rank_id": "0"},'
            ' {"device_id": "0", "rank_id": "1"}]}]}',
            ("server a", "same device_id"),
        ),
        (
            '{"server_list": [{"server_id": "10.255.0.1", "device": [{"device_id": "0", "rank_id": "0"}]},'
            ' {"server_id": "10.255.0.2", "device": [{"device_id": "0", "rank_id": "1"}]}]}',
            ("10.255.0.1, 10.255.0.2", "SERVER_ID"),
        ),
    ],
)
def test_a_bad_table_is_one_line_and_code_2(sandbox, content, parts):
    (sandbox.folder / "table.json").write_text(content)
    run = sandbox.run("run_distribute_train.sh", "table.json")
    assert run.returncode == 2 and len(run.stderr.splitlines()) == 1 and not sandbox.calls()
    assert all(part in run.stderr for part in ("table.json", *parts)), run.stderr
