"""Four ranks, on one host and on two; and ranks of a rank table."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.engine.distributed.rank_jobs import newest_state
from tests.engine.jobs import PATIENCE, QUIET_CLUSTER, Job
from tests.small_job import SMALL


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_four_ranks_stay_equal(words, tmp_path):
    own = [word for word in words if not word.startswith(("batch_size", "max_steps"))]
    job = Job(tmp_path, *own, "batch_size=1", "max_steps=25", "check_sync_steps=5", workers=4)
    job.end(0)
    assert [job.steps(rank) for rank in range(4)] == [25] * 4
    assert newest_state(job.folder)["done"] == 25


@pytest.mark.slow
def test_the_ranks_of_a_table_train_together(words, tmp_path):
    """As on cards, but for `device_target`: the table says how many there are, and where rank 0 is."""
    cards = [{"device_id": str(rank), "rank_id": str(rank)} for rank in range(2)]
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"server_list": [{"server_id": "10.1.2.3", "device": cards}]}))
    own = [word for word in words if not word.startswith(("batch_size", "max_steps"))]
    script = str(ROOT / "scripts" / "run_distribute_train.sh")
    done = subprocess.run(
        ["bash", script, str(table), "", *SMALL, *own, "norm=gn", "batch_size=1", "max_steps=4"],
        cwd=tmp_path,
        env={**os.environ, **QUIET_CLUSTER, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    logs = [tmp_path / f"train_parallel{rank}" / f"loss_{rank}.log" for rank in range(2)]
    assert [len(log.read_text().splitlines()) for log in logs] == [4, 4]
    assert (tmp_path / "train_parallel0" / "checkpoint").is_dir()


def run_or_skip(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `ip` command to make network namespaces with")
    if done.returncode:
        pytest.skip(f"network namespaces cannot be made here: {' '.join(command)}: {done.stderr.strip()}")


def make_namespaces(names):
    """Two network namespaces that are connected; their addresses are 10.231.7.1 and 10.231.7.2."""
    for name in names:
        run_or_skip(["ip", "netns", "add", name])
    pair = f"link add veth0 netns {names[0]} type veth peer name veth0 netns {names[1]}"
    run_or_skip(["ip", *pair.split()])
    for number, name in enumerate(names, 1):
        for words in (f"addr add 10.231.7.{number}/24 dev veth0", "link set veth0 up", "link set lo up"):
            run_or_skip(["ip", "-n", name, *words.split()])


def start_host(folder, namespace, table, words, **environment):
    folder.mkdir()
    script = str(ROOT / "scripts" / "run_distribute_train.sh")
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, "bash", script, table, "", *SMALL, "norm=gn", *words],
        cwd=folder,
        env={**os.environ, **QUIET_CLUSTER, "PYTHON": sys.executable, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start_by_msrun(folder, namespaces, words):
    variables = {"WORKERS": "2", "NODES": "2", "MASTER_ADDR": "10.231.7.1", "MASTER_PORT": "8118"}
    return [
        start_host(folder / f"host{number}", name, "-", words, **variables, NODE_RANK=str(number))
        for number, name in enumerate(namespaces)
    ]


def start_by_table(folder, namespaces, words):
    """The ranks stand against the order of the addresses."""
    servers = [
        {"server_id": f"10.231.7.{2 - rank}", "device": [{"device_id": "0", "rank_id": str(rank)}]}
        for rank in range(2)
    ]
    table = folder / "table.json"
    table.write_text(json.dumps({"server_list": servers}))
    return [
        start_host(folder / f"host{number}", name, str(table), words, SERVER_ID=str(number))
        for number, name in enumerate(reversed(namespaces))
    ]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("start", [start_by_msrun, start_by_table])
def test_two_hosts_as_two_network_namespaces(words, tmp_path, start):
    """Each has an address and a copy of the data of its own; the second has no file of the first's job."""
    names = [f"maskrcnn{os.getpid()}{side}" for side in "ab"]
    words = [word for word in words if not word.startswith(("batch_size", "max_steps", "mindrecord_dir"))]
    words += ["mindrecord_dir=mindrecord", "batch_size=1", "max_steps=12", "check_sync_steps=4"]
    hosts = []
    try:
        make_namespaces(names)
        hosts = start(tmp_path, names, words)
        outputs = [host.communicate(timeout=PATIENCE)[0] for host in hosts]
        assert [host.returncode for host in hosts] == [0, 0], outputs
        assert (tmp_path / "host0" / "train_parallel0" / "checkpoint" / "mask_rcnn-2_1.ckpt").exists()
        assert len((tmp_path / "host1" / "train_parallel1" / "loss_1.log").read_text().splitlines()) == 12
        assert not (tmp_path / "host1" / "train_parallel0").exists()
    finally:
        for host in hosts:
            if host.poll() is None:
                os.killpg(host.pid, signal.SIGKILL)
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
