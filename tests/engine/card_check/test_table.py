"""A row of the check fails where a value is wrong, and the table can be pasted."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import load_config
from src.engine.card_check import jobs
from src.engine.card_check.__main__ import absolute_paths
from src.engine.card_check.table import FAILED, NOT_COMPARED, NOTE, OK, Row, compare, format_table
from src.engine.card_check.versions import find_versions

LOSSES = {
    "rpn_cls_loss": 0.7,
    "rpn_reg_loss": 0.02,
    "rcnn_cls_loss": 1.5,
    "rcnn_reg_loss": 0.01,
    "rcnn_mask_loss": 0.7,
}


def steps(*losses, first=1):
    return [
        {"step": first + i, "total_loss": loss, "seconds": 0.1, "memory_gb": 1.5}
        for i, loss in enumerate(losses)
    ]


@pytest.mark.parametrize(
    ("change", "tolerance", "result"),
    [(0.0, 0, OK), (1e-4, 0, FAILED), (0.03, 0.01, OK), (0.05, 0.01, FAILED), (np.nan, 0.01, FAILED)],
)
def test_values_within_the_tolerance_of_the_largest(change, tolerance, result):
    want = np.array([1.0, 2.0, 4.0])
    assert compare("x", want + [0, change, 0], want, tolerance).result == result
    assert compare("x", want + [0, change, 0], want, tolerance, simulated=True).result == NOT_COMPARED


def test_another_shape_fails_on_a_stand_in_too():
    for simulated in (False, True):
        row = compare("x", np.zeros(3), np.zeros(4), 0, simulated)
        assert (row.result, row.detail) == (FAILED, "shape [3] instead of [4]")


def test_a_difference_that_is_known_is_a_note():
    assert compare("x", np.array([True, False]), np.array([True, True]), 0, result=NOTE).result == NOTE


@pytest.mark.parametrize(
    ("name", "factor", "results"),
    [
        ("rpn_cls_loss", 1.01, [OK, OK]),
        ("rpn_cls_loss", 1.03, [FAILED, OK]),
        ("rpn_reg_loss", float("nan"), [FAILED, OK]),
        ("rcnn_mask_loss", 1.5, [OK, FAILED]),
        ("rcnn_cls_loss", 0, [OK, FAILED]),
    ],
)
def test_the_first_steps_losses(name, factor, results):
    ours = {**LOSSES, name: LOSSES[name] * factor}
    rows = jobs.compare_first_step([ours], [LOSSES, ours], simulated=False)
    assert [row.result for row in rows] == results
    for row in jobs.compare_first_step([ours], [LOSSES], simulated=True):
        assert row.result == NOT_COMPARED


def test_a_run_without_steps_fails(tmp_path):
    assert jobs.read_steps(tmp_path) == []
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "evaluated": "weights"}\n')
    assert jobs.read_steps(tmp_path) == []
    for ours, theirs, where in (([], [LOSSES], "on the device"), ([LOSSES], [], "on the CPU")):
        [row] = jobs.compare_first_step(ours, theirs, simulated=False)
        assert row.result == FAILED and row.detail.endswith(where)
    assert jobs.steps_row("steps", [], 60.0).result == FAILED


def test_ten_steps():
    losses = np.linspace(3, 2, 10).tolist()
    row = jobs.steps_row("steps", steps(*losses), 60.0)
    assert row.result == OK and "3 to 2, 100 ms a step" in row.detail and "1.5 GB" in row.detail
    assert jobs.steps_row("steps", steps(*losses[:9]), 60.0).result == FAILED
    assert jobs.steps_row("steps", steps(*losses[:9], float("inf")), 60.0).result == FAILED


def test_resumed_steps():
    straight = steps(3.0, 2.9, first=6)
    assert jobs.compare_resumed("r", steps(3.0, 2.91, first=6), straight, False).result == OK
    assert jobs.compare_resumed("r", steps(3.0, 2.0, first=6), straight, False).result == FAILED
    for simulated in (False, True):
        assert jobs.compare_resumed("r", steps(3.0, 2.9), straight, simulated).result == FAILED
        assert jobs.compare_resumed("r", [], [], simulated).result == FAILED
    assert jobs.compare_resumed("r", steps(0.0, 0.0, first=6), straight, True).result == NOT_COMPARED


def test_two_ranks_need_two_cards(tmp_path):
    check = jobs.Jobs(tmp_path, [], "Ascend", simulated=False)
    check.cards = "1"
    assert check.ranks_row().result == NOTE


def test_what_a_stand_in_cannot_do_without_device_files_is_not_run(tmp_path):
    check = jobs.Jobs(tmp_path, [], "Ascend", simulated=True)
    row = check.ranks_row()
    assert row.result == NOT_COMPARED and row.detail.startswith("not run")


def test_paths_among_the_words_are_those_of_the_users_folder(tmp_path, monkeypatch):
    """The jobs run in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.yaml").write_text("mindrecord_dir: records\nsave_checkpoint_minutes: 5\n")
    words = ["pre_trained=weights/r=50.ckpt", "compile_cache=off", "resume=auto", "coco_root=/data/coco"]
    found = absolute_paths(load_config(words, tmp_path / "more.yaml"))
    assert sorted(found) == [
        "coco_root=/data/coco",
        f"mindrecord_dir={tmp_path}/records",
        f"pre_trained={tmp_path}/weights/r=50.ckpt",
    ]
    assert load_config([*words, *found]).pre_trained == f"{tmp_path}/weights/r=50.ckpt"


def test_a_failed_command_says_why(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("step 1\nerror: no such file\n\nlater\n")
    assert jobs.last_words(log) == "error: no such file (train.log)"
    log.write_text("one\nRuntimeError: two\n")
    assert jobs.last_words(log) == "RuntimeError: two (train.log)"


def test_the_table_is_markdown():
    table = format_table([Row("NMS", OK, "a | b\nc")], {"CANN": "8.5"})
    assert table.splitlines()[2] == "| CANN | 8.5 |"
    assert table.splitlines()[-1] == "| NMS | ok | a \\| b c |"


def test_versions_are_read_from_the_installers_files(tmp_path, monkeypatch):
    """As CANN, driver and firmware write them."""
    for path, text in (
        (
            "cann/aarch64-linux/ascend_toolkit_install.info",
            "package_name=Ascend-cann-toolkit\nversion=8.2.RC1\n",
        ),
        ("driver/version.info", "Version=25.2.0\nascendhal_version=7.35.23\n"),
        ("firmware/version.info", "Version=7.7.0.6.236\nfirmware_version=1.0\n"),
        ("old/version.cfg", "# version\nruntime_running_version=[8.0.RC3:8.0.RC3]\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path / "cann"))
    found = find_versions(tmp_path)
    assert (found["CANN"], found["driver"], found["firmware"]) == ("8.2.RC1", "25.2.0", "7.7.0.6.236")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path / "old"))
    assert find_versions(tmp_path)["CANN"] == "8.0.RC3"
    monkeypatch.delenv("ASCEND_HOME_PATH")
    assert (
        "not set" in find_versions(tmp_path)["CANN"]
        and find_versions(tmp_path / "no")["driver"] == "not found"
    )
