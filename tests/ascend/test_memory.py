"""The memory of a card, on the stand-ins of CANN's libraries: what fits, and what a user is told."""

from __future__ import annotations

import json

import pytest

from benchmarks.ascend_host import largest_that
from src.data.shapes.drawn_data import draw_shapes
from tests.ascend.graphs import SMALL_NETWORK, STEP_OUTPUTS
from tests.ascend.programs.memory_plan import check

slow = pytest.mark.slow  # 3 minutes in all when nothing else runs


SAYS = "error: the memory of the card does not suffice for "


@slow
def test_memory_that_was_freed_is_used_again(launch):
    """A step has at most 2.2 GB at a time and takes more in all; of a card of 3 GB MindSpore uses 2.6."""
    words = ("pre_trained=resnet50.ckpt", "--launches", "3")
    report = launch("training", *words, STANDIN_MEMORY_GB="3")
    assert report["outputs"] == STEP_OUTPUTS
    assert 2_000 < report["memory_mb"] < 2_600


@slow
def test_memory_has_no_gaps(launch):
    """A step needs 6.3 GB at a time; of 8 MindSpore uses 7. An Ascend 910 cannot map what lies apart."""
    words = ("pre_trained=resnet50.ckpt", "batch_size=8", "--launches", "3")
    report = launch("training", *words, chip="Ascend910A", STANDIN_MEMORY_GB="8")
    assert report["outputs"] == STEP_OUTPUTS


@slow
def test_a_card_that_is_too_small_is_one_line(run_module, tmp_path):
    draw_shapes(tmp_path / "data", 8, 2, size=(128, 128), seed=3)

    def run(command, *words, gigabytes):
        words = (command, *words, "coco_root=data", "device_target=Ascend")
        variables = {"MS_SIMULATION_LEVEL": None, "STANDIN_MEMORY_GB": str(gigabytes)}
        done = run_module("tests.ascend.programs.command", *words, **variables)
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


@slow
def test_no_array_is_overwritten_while_it_is_needed(run_module):
    """By MindSpore's plan for a training step, which no result can show here, as nothing is computed."""
    done = run_module("tests.ascend.programs.memory_plan", MS_SIMULATION_LEVEL=None)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["arrays"] > 1000
    assert (report["overlaps"], report["apart"]) == ([], [])
    # Operators that add into an array need a second call, which clears it.
    assert report["writing"] <= report["calls"] <= 1.01 * report["writing"]


# Node 0 gives array 0, of which node 1 makes another shape, 1, and node 2 array 2; node 3 takes 1 and 2.
PLAN = """
%0T\t#512S\t#400S\t&0\tUnion\tLifeLongNone\t0\t1\tnet/Add-op0
%1T\t#512S\t#400S\t&0\tUnion\tLifeLongNone\t1\t3\tnet/Reshape-op0
%2T\t#512S\t#400S\t&{}\tCommon\tLifeLongNone\t2\t3\tnet/Add-op1
%3T\t#512S\t#400S\t&1024\tOutputOnly\tLifeLongGraphEnd\t3\t3\tnet/Add-op2

$0\tnet/Add-op0\t0\tinputs[%0P, ]\toutputs[%0T, ]\tworkspace[]\t
$1\tnet/Reshape-op0\t0\tinputs[%0T, ]\toutputs[%1T, ]\tworkspace[]\t
$2\tnet/Add-op1\t0\tinputs[%0P, ]\toutputs[%2T, ]\tworkspace[]\t
$3\tnet/Add-op2\t0\tinputs[%1T, %2T, ]\toutputs[%3T, ]\tworkspace[]\t

union tensors: [%{}T %1T ]
"""


def test_faults_of_a_plan_are_found():
    whole = {"arrays": 3, "overlaps": [], "apart": [], "writing": 3}
    assert check(PLAN.format(512, 0)) == whole
    assert check(PLAN.format(256, 0)) == {**whole, "overlaps": [[2, 0]]}
    alone = check(PLAN.format(512, 1))  # the shape's array is not said to be the same
    assert alone["apart"] == ["net/Reshape-op0"] and alone["overlaps"] == [[1, 0]]


@pytest.mark.parametrize("likely", [1, 2, 39, 90])
def test_the_search_for_the_largest_batch_finds_every_size(likely):
    """Also none at all, and in few questions: twice the steps of a search by halves, and one."""
    for largest in range(100):
        asked = []

        def fits(number, largest=largest, asked=asked):
            asked.append(number)
            return number <= largest

        assert largest_that(fits, likely) == largest
        assert min(asked) >= 1
        assert len(set(asked)) == len(asked) <= 2 * 7 + 1
