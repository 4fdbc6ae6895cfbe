"""The memory of a card, on the stand-ins of CANN's libraries: what fits, and what a user is told."""

from __future__ import annotations

import pytest

from src.data.shapes.drawn_data import draw_shapes
from tests.ascend.graphs import SMALL_NETWORK, STEP_OUTPUTS

pytestmark = pytest.mark.slow  # 1 minute in all when nothing else runs


SAYS = "error: the memory of the card does not suffice for "


def test_memory_that_was_freed_is_used_again(launch):
    """A step has at most 2.2 GB at a time and takes more in all; of a card of 3 GB MindSpore uses 2.6."""
    words = ("pre_trained=resnet50.ckpt", "--launches", "3")
    report = launch("training", *words, STANDIN_MEMORY_GB="3")
    assert report["outputs"] == STEP_OUTPUTS
    assert 2_000 < report["memory_mb"] < 2_600


def test_memory_has_no_gaps(launch):
    """A step needs 6.3 GB at a time; of 8 MindSpore uses 7. An Ascend 910 cannot map what lies apart."""
    words = ("pre_trained=resnet50.ckpt", "batch_size=8", "--launches", "3")
    report = launch("training", *words, chip="Ascend910A", STANDIN_MEMORY_GB="8")
    assert report["outputs"] == STEP_OUTPUTS


def test_a_card_that_is_too_small_is_one_line(run_module, tmp_path):
    draw_shapes(tmp_path / "data", 8, 2, size=(128, 128), seed=3)

    def run(command, *words, gigabytes):
        words = (command, *words, "coco_root=data", "device_target=Ascend")
        variables = {"MS_SIMULATION_LEVEL": None, "STANDIN_MEMORY_GB": str(gigabytes)}
        done = run_module("tests.ascend.command", *words, **variables)
        assert "Traceback" not in done.stderr, done.stderr[-4000:]
        return done.returncode, done.stderr.splitlines()[-1]

    large = ("img_width=2048", "img_height=2048")
    small = (*SMALL_NETWORK, "coco_classes=auto", "max_steps=2", "save_checkpoint_steps=1")
    assert run("train.py", *small, gigabytes=4)[0] == 0
    words = ("--work-dir", "second", *small, *large, "batch_size=4")
    code, line = run("train.py", *words, gigabytes=1)
    assert (code, line.split(": a smaller")[0]) == (2, f"{SAYS}a step of 4 pictures of 2048x2048")
    checkpoint = tmp_path / "train" / "checkpoint" / "mask_rcnn-1_2.ckpt"
    words = (f"checkpoint_path={checkpoint}", *large, "test_batch_size=24")
    code, line = run("eval.py", *words, gigabytes=1)
    assert (code, line.split(": a smaller")[0]) == (2, f"{SAYS}the detections of 24 pictures of 2048x2048")
