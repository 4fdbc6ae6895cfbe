"""RankGroup with real processes (no MindSpore in them): waiting, agreeing, and ending together."""

import inspect
import json
import os
import re
import signal
import time

import pytest

from src.engine.distributed import timeouts
from src.engine.distributed.rank_group import RankGroup, reachable_host
from src.errors import RankError
from tests.conftest import ROOT
from tests.engine.distributed.ranks import Job


def test_ranks_wait_for_each_other_and_get_one_answer(tmp_path):
    job = Job(
        tmp_path,
        3,
        """
time.sleep(0.3 * rank)
print(group.barrier(10 ** rank, decide=sum))
print(group.barrier() is None)
pieces = group.gather(bytes([rank]) * 3_000_000)
print(pieces and [(len(piece), piece[0], piece[-1]) for piece in pieces])
for step in range(50):
    assert group.barrier(step, decide=max) == step
""",
    )
    for rank, (code, out, err) in enumerate(job.end()):
        gathered = "[(3000000, 0, 0), (3000000, 1, 1), (3000000, 2, 2)]" if rank == 0 else "None"
        assert (code, out.splitlines(), err) == (0, ["111", "True", gathered], "")


@pytest.mark.parametrize("victim", [0, 1])
def test_the_other_ranks_report_which_rank_was_killed_and_where_it_was(tmp_path, victim):
    job = Job(
        tmp_path,
        3,
        f"""
group.report(f"in epoch 1 step 7, pictures [{{rank}}5]", grace=1)
if rank == {victim}:
    time.sleep(100)
(folder / f"there{{rank}}").write_text("")
if rank == 2:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    time.sleep(100)                  # as within a collective that waits for the other
try:
    group.barrier()
finally:
    print("time to save")
""",
    )
    for rank in {0, 1, 2} - {victim}:
        job.wait_for(f"there{rank}")
    killed = time.monotonic()
    os.kill(job.pid(victim), signal.SIGKILL)
    results = job.end(30)
    assert time.monotonic() - killed < 20
    line = f"error: rank {victim} died in epoch 1 step 7, pictures [{victim}5]\n"
    for rank in {0, 1, 2} - {victim}:
        code, out, err = results[rank]
        assert err == line, results
        assert (code, out) == ((-signal.SIGKILL, "") if rank == 2 else (3, "time to save\n"))


@pytest.mark.parametrize(
    ("where", "before", "after"),
    [
        ("contextlib.nullcontext()", 0, 0),
        ("StopSignals()", 0, 0),
        ("StopSignals()", signal.SIGTERM, 0),
        ("StopSignals()", 0, signal.SIGINT),
    ],
)
def test_a_rank_that_was_told_of_a_failure_says_so_although_sigterm_comes(tmp_path, where, before, after):
    """run_distribute_train.sh sends SIGTERM to all other ranks as soon as one has ended.

    `before` and `after` are further signals (0: none), before and after the rank is told.
    """
    job = Job(
        tmp_path,
        2,
        f"""
import contextlib
from src.engine.training.stop_signals import StopSignals
if rank == 1:
    os._exit(7)
try:
    with {where}:
        os.kill(os.getpid(), {int(before)})
        try:
            group.barrier()
        finally:
            os.kill(os.getpid(), {int(after)})
            time.sleep(0.2)
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    print("time to save", flush=True)
""",
    )
    assert job.end(30) == [(3, "time to save\n", "error: rank 1 died at its start\n"), (7, "", "")]


def test_the_script_kills_a_rank_later_than_its_monitor_but_within_a_minute():
    """A rank that the script kills before its monitor has told what happened would leave no line."""
    seconds = [
        int(word)
        for word in re.findall(
            r"^ +end_all (\d+) +#", (ROOT / "scripts" / "run_distribute_train.sh").read_text(), re.M
        )
    ]
    assert (
        len(seconds) == 1
        and timeouts.GRACE_SECONDS + 4 * timeouts.HEARTBEAT_SECONDS < seconds[0] < 60 - timeouts.HANG_SECONDS
    )
    assert inspect.signature(RankGroup.report).parameters["grace"].default == timeouts.GRACE_SECONDS


def test_a_failure_ends_all_ranks_with_its_line_and_code(tmp_path):
    job = Job(
        tmp_path,
        2,
        """
if rank == 1:
    raise TrainingError("a loss is not finite at epoch 1 step 3, pictures [7]")
group.barrier()
""",
    )
    (code0, _, err0), (code1, _, err1) = job.end()
    assert (code0, err0) == (2, "error: rank 1: a loss is not finite at epoch 1 step 3, pictures [7]\n")
    assert (code1, err1) == (2, "error: a loss is not finite at epoch 1 step 3, pictures [7]\n")


@pytest.mark.parametrize("how", ["stopped", "asleep"])
def test_a_rank_that_hangs_ends_the_job(tmp_path, how):
    """A rank that is stopped, and one that does nothing. Those that wait at a barrier do not hang."""
    job = Job(
        tmp_path,
        2,
        """
group.report("in epoch 2 step 5")
if rank == 1:
    (folder / "there1").write_text("")
    time.sleep(1000)
group.barrier()
""",
        HANG_SECONDS="6",
    )
    job.wait_for("there1")
    if how == "stopped":
        os.kill(job.pid(1), signal.SIGSTOP)
    (code0, _, err0), (code1, *_) = job.end(60)
    assert (code0, code1) == (3, -signal.SIGKILL)  # its own heartbeat monitor has killed it
    assert err0.startswith(
        f"error: rank 1 {'is stopped' if how == 'stopped' else 'hangs'}: "
    ) and err0.endswith(" s in epoch 2 step 5\n")


def test_a_suspected_failure_waits_for_its_cause(tmp_path):
    """A collective fails because the other rank died: the death is what is reported."""
    job = Job(
        tmp_path,
        2,
        """
group.report("in epoch 1 step 2")
if rank == 1:
    group.barrier()
    time.sleep(2)
    os.kill(os.getpid(), 9)
group.barrier()
group.raise_if_rank_failed(RuntimeError("Launch kernel failed"))
""",
    )
    assert job.end()[0][::2] == (3, "error: rank 1 died in epoch 1 step 2\n")


def test_a_suspected_failure_is_reported_when_there_is_no_other(tmp_path):
    job = Job(
        tmp_path,
        2,
        """
if rank == 0:
    group.raise_if_rank_failed(RuntimeError("Launch kernel failed"))
group.barrier()
""",
        HANG_SECONDS="9",
    )
    assert [result[::2] for result in job.end()] == [(1, "error: rank 0: Launch kernel failed\n")] * 2


def test_one_rank_needs_nobody():
    from src.engine.distributed.rank_group import RankGroup

    with RankGroup() as group:
        group.report("anywhere")
        assert group.barrier(3, decide=lambda values: json.dumps(values)) == "[3]" and group.gather(b"x") == [
            b"x"
        ]


def test_the_address_for_other_hosts_is_known_or_said_to_be_missing(monkeypatch):
    monkeypatch.setenv("MS_SCHED_HOST", "127.0.0.1")
    assert reachable_host() == "127.0.0.1"
    monkeypatch.setenv("MS_SCHED_HOST", "no-such-host.invalid")
    with pytest.raises(RankError, match="^MS_SCHED_HOST=no-such-host.invalid: .*MASTER_ADDR"):
        reachable_host()
