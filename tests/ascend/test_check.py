"""scripts/check_ascend.sh on the stand-ins: every job runs to its end, and no value is compared."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from src.config import load_config
from src.maskrcnn.build import build_network
from src.weights.checkpoint_file import save_checkpoint
from src.weights.checkpoint_settings import network_settings
from tests.ascend.graphs import CLASSES
from tests.conftest import ROOT
from tests.engine.jobs import QUIET_CLUSTER
from tests.small_job import SMALL

SITE = ROOT / "tests" / "ascend" / "site"


def run_check(folder, *words, **variables):
    small = [word for word in SMALL if not word.startswith("device_target")]
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / "check_ascend.sh"), *small, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
        env={**os.environ, "PYTHON": sys.executable, **variables},
    )


def results(stdout):
    """{check: (its result, figures)} of the second table."""
    rows = stdout.split("| Check | Result | Figures |\n|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    cells = [row.strip("| ").split(" | ", 2) for row in rows]
    return {name: (result, figures) for name, result, figures in cells}


def write_weights(path):
    """A checkpoint of the network that `run_check` trains, with weights as they are made."""
    words = [word for word in SMALL if not word.startswith("coco_classes")]
    config = load_config([*words, CLASSES], ROOT / "configs" / "demo.yaml")
    network = build_network(config, "CPU")
    save_checkpoint(path, network, network_settings(config, config.norm), 1, 1)


def test_every_process_finds_the_cards_files(tmp_path):
    """The check asks for them before MindSpore and the project's module of devices are loaded."""
    code = "from src.environment import card_is_here; print(card_is_here())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SITE)},
    )
    assert done.stdout == "True\n", done.stderr


def on_the_stand_ins(standin, folder):
    """Environment variables with which every command finds a card, and ranks each other."""
    return {
        **standin,
        **QUIET_CLUSTER,
        "PYTHONPATH": os.pathsep.join([str(SITE), standin["PYTHONPATH"]]),
        "STANDIN_CONTACT": str(folder / "contact"),
        "STANDIN_MEETING": str(folder),
        "HANG_SECONDS": "400",  # on a crowded machine one rank may come long after the other
        "GLOG_v": "2",
    }


def test_the_quick_check_on_the_stand_ins(standin, tmp_path):
    done = run_check(tmp_path, "--quick", **on_the_stand_ins(standin, tmp_path))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = results(done.stdout)
    ran = {"device", "ten steps of training"}
    assert {name for name, (result, _) in found.items() if result == "ok"} == ran
    assert {result for name, (result, _) in found.items() if name not in ran} == {"stand-in: not compared"}
    assert sum(name.startswith("one step against the CPU's losses") for name in found) == 2  # stages
    assert not {"resume after step 5", "two ranks, alike after every step", "export to MINDIR"} & set(found)


@pytest.mark.slow  # ten processes that compile the small network
def test_on_the_stand_ins(standin, tmp_path):
    write_weights(tmp_path / "weights.ckpt")
    variables = on_the_stand_ins(standin, tmp_path)
    # The weights' path is relative to the user's folder, where no job runs.
    done = run_check(tmp_path, "pre_trained=weights.ckpt", **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = results(done.stdout)
    ran = {"device", "ten steps of training", "export to MINDIR", "export to AIR"}
    assert {name for name, (result, _) in found.items() if result == "ok"} == ran
    assert {result for name, (result, _) in found.items() if name not in ran} == {"stand-in: not compared"}
    assert len(found) == len(ran) + 11
    assert found["two ranks, alike after every step"][1].startswith("3 steps, ")
    assert (tmp_path / "ascend_check" / "table.md").read_text().strip() in done.stdout
    # MindSpore warns of Tensors that start the device before ranks join; the weights are read before.
    for rank in range(2):
        log = (tmp_path / "ascend_check" / f"train_parallel{rank}" / "log").read_text()
        assert "WARNING" in log and "backend is already initialized" not in log


@pytest.mark.slow
def test_on_the_cpu_every_value_is_compared(tmp_path):
    done = run_check(tmp_path, "device_target=CPU")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = results(done.stdout)
    assert {name for name, (result, _) in found.items() if result != "ok"} == {"export to AIR"}
