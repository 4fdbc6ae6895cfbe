"""Several ranks on the stand-ins of CANN's libraries: real processes, and MindSpore's own cluster.

HCCL's stand-in sends nothing, and writes down what it is asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from src.config import load_config
from src.data.shapes.drawn_data import draw_shapes
from src.maskrcnn.build import build_network
from src.maskrcnn.norms import SyncBatchNorm
from tests.ascend.graphs import SMALL_NETWORK, STEP_OUTPUTS, SYNC_NORMS
from tests.conftest import ROOT
from tests.engine.distributed.rank_jobs import free_port
from tests.engine.jobs import QUIET_CLUSTER

FLOAT32 = 4  # HcclDataType
SITE = ROOT / "tests" / "ascend" / "site"
DEVICES = (5, 3)  # of the ranks; not their numbers


@pytest.fixture
def launch_ranks(standin, tmp_path):
    """launch_ranks(WORD...): for each of two ranks (its report, the lines that HCCL's stand-in wrote)."""

    def run(*words):
        cluster = {
            **os.environ,
            **standin,
            **QUIET_CLUSTER,
            "PYTHONPATH": os.pathsep.join([str(ROOT), standin["PYTHONPATH"]]),
            "MS_WORKER_NUM": str(len(DEVICES)),
            "MS_SCHED_HOST": "127.0.0.1",
            "MS_SCHED_PORT": str(free_port()),
            "RANK_SIZE": str(len(DEVICES)),
            "HANG_SECONDS": "400",  # on a crowded machine one may come long after the other
            "STANDIN_CONTACT": str(tmp_path / "contact"),
            "STANDIN_MEETING": str(tmp_path),
        }
        del cluster["MS_SIMULATION_LEVEL"]  # with it ranks do not find each other
        command = [sys.executable, "-m", "tests.ascend.programs.launch", "training", *words]
        processes = []
        for name, role in (("scheduler", "MS_SCHED"), *((rank, "MS_WORKER") for rank in range(len(DEVICES)))):
            rank = 0 if name == "scheduler" else name
            environment = {
                **cluster,
                "MS_ROLE": role,
                "MS_NODE_ID": str(rank),
                "RANK_ID": str(rank),
                "DEVICE_ID": str(DEVICES[rank]),
                "STANDIN_CALLS": str(tmp_path / f"calls of {name}"),
            }
            output = open(tmp_path / f"output of {name}", "w+")
            processes.append(
                subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
            )
        try:
            for process in processes[1:]:
                process.wait(580)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        found = []
        for rank, process in enumerate(processes[1:]):
            text = (tmp_path / f"output of {rank}").read_text()
            assert process.returncode == 0, text[-4000:]
            [report] = [line for line in text.splitlines() if line.startswith('{"compile_seconds"')]
            found.append((json.loads(report), (tmp_path / f"calls of {rank}").read_text().splitlines()))
        return found

    return run


def all_reduced(calls):
    """The counts of the float32 all-reduces, in their order."""
    words = [call.split() for call in calls if call.startswith("all_reduce ")]
    assert all(kind == str(FLOAT32) for _, _, _, kind in words)
    return [int(count) for _, count, _, _ in words]


def test_two_ranks(launch_ranks):
    launched = launch_ranks(*SMALL_NETWORK)
    for rank, (report, calls) in enumerate(launched):
        assert report["outputs"] == STEP_OUTPUTS
        assert (report["rank"], report["num"]) == (rank, 2)
        # The device is taken before the ranks join, and they join once.
        assert calls.index(f"device {DEVICES[rank]}") < calls.index(f"root_info {rank} of 2")
        assert sum(call.startswith("root_info") for call in calls) == 1
    (_, first), (_, second) = launched
    # All ranks ask for the same collectives in the same order, or they would wait for each other for ever.
    counts = all_reduced(first)
    assert counts == all_reduced(second)
    # Three launches of a step: the numbers of anchors, RoIs and positive RoIs, and every gradient once, in
    # far fewer all-reduces than there are weights.
    weights = build_network(load_config(SMALL_NETWORK), "Ascend").trainable_params()
    step = counts[: len(counts) // 3]
    assert counts == 3 * step and step[:3] == [1, 1, 1]
    assert sum(step[3:]) == sum(weight.size for weight in weights)
    assert len(step[3:]) < len(weights) / 4


@pytest.mark.slow
def test_synchronised_norms_of_two_ranks(launch_ranks):
    """Each sums its mean and its variance over the ranks, and their gradients."""
    words = [*SMALL_NETWORK, *SYNC_NORMS.split()]
    (_, first), (_, second) = launch_ranks(*words)
    counts = all_reduced(first)
    assert counts == all_reduced(second)
    network = build_network(load_config(words), "Ascend")
    cells = [cell for _, cell in network.cells_and_names() if isinstance(cell, SyncBatchNorm)]
    channels = sum(cell.gamma.size for cell in cells)
    gradients = sum(weight.size for weight in network.trainable_params())
    assert len(cells) > 20 and sum(counts) == 3 * (3 + gradients + 4 * channels)


@pytest.mark.slow
def test_ranks_of_a_rank_table_by_the_scripts(standin, tmp_path):
    draw_shapes(tmp_path / "data", 8, 2, size=(128, 128), seed=3)
    variables = {
        **os.environ,
        **standin,
        **QUIET_CLUSTER,
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(SITE), standin["PYTHONPATH"]]),
        "HANG_SECONDS": "400",
        "STANDIN_CONTACT": str(tmp_path / "contact"),
        "STANDIN_MEETING": str(tmp_path),
        "STANDIN_CALLS": str(tmp_path / "calls"),
    }
    del variables["MS_SIMULATION_LEVEL"]

    def run(script, *words):
        done = subprocess.run(
            ["bash", str(ROOT / "scripts" / script), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
            env=variables,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    run("make_rank_table.sh", "--device-ids", ",".join(map(str, DEVICES)))
    words = (*SMALL_NETWORK, "coco_classes=auto", "coco_root=data", "max_steps=2", "check_sync_steps=1")
    run("run_distribute_train.sh", "rank_table_2pcs.json", *words, "device_target=Ascend")
    calls = (tmp_path / "calls").read_text().splitlines()
    ranks = range(len(DEVICES))
    assert {call for call in calls if call.startswith("device ")} >= {f"device {card}" for card in DEVICES}
    assert [call for call in sorted(calls) if "root_info" in call] == [f"root_info {r} of 2" for r in ranks]
    assert (tmp_path / "train_parallel0" / "checkpoint" / "mask_rcnn-1_2.ckpt").exists()
