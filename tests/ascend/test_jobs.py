"""The commands to their ends on the stand-ins of CANN's libraries, where every result is 0."""

from __future__ import annotations

import json
import re

import pytest

from src.data.shapes.drawn_data import draw_shapes
from src.engine.display.loss_lines import read_loss_log
from tests.ascend.graphs import SMALL_NETWORK

pytestmark = pytest.mark.slow  # 3 minutes in all when nothing else runs

TRAINING = (*SMALL_NETWORK, "coco_classes=auto", "coco_root=data", "norm=bn", "compile_cache=graphs")


@pytest.fixture
def run_command(run_module, tmp_path):
    """run_command(COMMAND, WORD..., code=): the finished process of a command with device_target=Ascend."""

    def run(command, *words, code=0):
        words = (*words, "device_target=Ascend")
        done = run_module("tests.ascend.programs.command", command, *words, MS_SIMULATION_LEVEL=None)
        text = f"{command} {words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == code, text
        assert "Traceback" not in done.stderr, text
        return done

    return run


def test_training_resuming_evaluation_export_and_profile(run_command, tmp_path):
    draw_shapes(tmp_path / "data", 8, 2, size=(128, 128), seed=3)
    done = run_command("train.py", *TRAINING, "max_steps=3", "save_checkpoint_steps=2")
    assert "device: 1 x Ascend" in done.stdout
    assert "the graph was compiled" in done.stderr
    rows = read_loss_log(tmp_path / "train" / "loss_0.log")
    assert [row["total_loss"] for row in rows] == [0, 0, 0]
    checkpoint = tmp_path / "train" / "checkpoint" / "mask_rcnn-1_3.ckpt"

    done = run_command("train.py", *TRAINING, "max_steps=5", "resume=auto")
    assert re.search(r"the graph was read from \S+", done.stderr)
    assert len(read_loss_log(tmp_path / "train" / "loss_0.log")) == 5

    done = run_command("eval.py", "coco_root=data", f"checkpoint_path={checkpoint}")
    assert done.stdout.count("Average Precision") == 12
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["bbox"]["AP"] == metrics["segm"]["AP"] == 0

    out = tmp_path / "net.mindir"
    words = ("--file-format", "MINDIR", "--out", str(out), f"checkpoint_path={checkpoint}")
    done = run_command("export.py", *words)
    assert out.stat().st_size > 1e5

    run_command("train.py", "--work-dir", "profiled", *TRAINING, "max_steps=5", "profile=2")
