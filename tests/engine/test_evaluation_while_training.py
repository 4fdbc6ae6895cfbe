"""Evaluation while training: checked before the first step, after the checkpoint, never the end of a run."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from src.data.shapes.drawn_data import draw_shapes
from tests.engine.jobs import Job
from tests.small_job import SMALL, run

DATA = ["max_steps=2", "batch_size=2", "epoch_size=1", "eval_interval=1", "tensorboard=False", "norm=gn"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    draw_shapes(folder / "data", 4, 2, size=(128, 128), seed=3)
    return folder


def words_of(drawn, *words):
    return [*SMALL, *DATA, f"coco_root={drawn / 'data'}", f"mindrecord_dir={drawn / 'records'}", *words]


def reported(shared, name):
    folder = shared / "data" / "reports"
    return ["--config", str(folder / "small.yaml"), f"coco_root={folder / name}", *DATA]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("empty_val", ["has no usable object to evaluate with"]),
        ("val_missing", ["No such file", "bad_pictures=skip"]),
        ("val_truncated", ["truncated", "bad_pictures=skip"]),
    ],
)
def test_a_wrong_evaluation_split_is_told_before_anything_is_converted(shared, tmp_path, name, lines):
    done = run("train.py", tmp_path, *reported(shared, name), code=2)
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("error: ") and all(line in error for line in lines)
    assert not (tmp_path / "mindrecord").exists() and "Traceback" not in done.stderr


@pytest.mark.parametrize("choice", ["error", "skip"])
def test_pictures_that_are_only_drawn_are_checked_too(drawn, tmp_path, choice):
    """picture_interval without eval_interval: the first picture is torn."""
    shutil.copytree(drawn / "data", tmp_path / "data")
    first = sorted((tmp_path / "data" / "val2017").iterdir())[0]
    first.write_bytes(first.read_bytes()[:500])
    words = words_of(drawn, f"coco_root={tmp_path / 'data'}", "tensorboard=True", "picture_interval=2")
    words = [word for word in words if not word.startswith(("eval_interval", "tensorboard=False"))]
    skips = choice == "skip"
    more = ["bad_pictures=skip"] if skips else []
    done = run("train.py", tmp_path, *words, *more, code=0 if skips else 2)
    if skips:
        assert "1/2 steps" in done.stderr or "2/2 steps" in done.stderr
        assert list((tmp_path / "train" / "tensorboard").iterdir())
    else:
        assert first.name in done.stderr.splitlines()[-1] and "bad_pictures=skip" in done.stderr
        assert not (tmp_path / "train" / "loss_0.log").exists()


def test_a_file_name_for_both_splits_is_told_before_the_first_step(drawn, tmp_path):
    """Without {} in instance_set, training's file is evaluated with the other split's pictures."""
    words = words_of(drawn, "instance_set=annotations/instances_train2017.json")
    done = run("train.py", tmp_path, *words, code=2)
    assert "val2017" in done.stderr and "No such file" in done.stderr
    assert not (tmp_path / "train" / "loss_0.log").exists()


def test_a_split_without_the_trained_classes_is_told_before_the_first_step(drawn, tmp_path):
    """Circles are the only class that both splits have, and the evaluation's has no circle."""
    trained = {"triangle": "wedge", "rectangle": "bar", "star": "spark"}
    for split in ("train2017", "val2017"):
        content = json.loads((drawn / "data" / "annotations" / f"instances_{split}.json").read_text())
        if split == "train2017":
            for category in content["categories"]:
                category["name"] = trained.get(category["name"], category["name"])
        else:
            content["annotations"] = [item for item in content["annotations"] if item["category_id"] != 1]
            assert content["annotations"]
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    files = [f"instance_set={tmp_path}/{{}}.json", f"mindrecord_dir={tmp_path / 'records'}"]
    words = words_of(drawn, *files, "eval_classes=common", "coco_classes=auto")
    done = run("train.py", tmp_path, *words, code=2)
    error = done.stderr.strip().splitlines()[-1]
    assert "no usable object of the classes that are trained (circle, wedge, bar, spark)" in error
    assert not (tmp_path / "train" / "loss_0.log").exists()


def test_pictures_that_cannot_be_used_are_left_out_and_counted(shared, tmp_path):
    done = run("train.py", tmp_path, *reported(shared, "val_missing"), "bad_pictures=skip")
    assert "1 of 3 pictures cannot be used and are left out of these figures" in done.stdout
    metrics = json.loads((tmp_path / "train" / "eval" / "metrics.json").read_text())
    assert (metrics["pictures"], metrics["pictures_left_out"]) == (2, 1)
    assert 0 <= metrics["segm"]["AP"] <= 1


@pytest.mark.parametrize(("failure", "code"), [("go_on", 0), ("stop", 2)])
def test_an_evaluation_that_fails_loses_no_checkpoint(drawn, tmp_path, failure, code):
    """A folder in the place of the results' file: it cannot be written."""
    (tmp_path / "train" / "eval" / "results_bbox.json").mkdir(parents=True)
    words = words_of(drawn, f"eval_failure={failure}", "report=True")
    done = run("train.py", tmp_path, *words, code=code)
    assert "results_bbox.json: Is a directory" in done.stderr and "Traceback" not in done.stderr
    assert ("training goes on" in done.stderr) == (failure == "go_on")
    # not those of an earlier evaluation
    assert ("the report has no figures: the last evaluation failed" in done.stderr) == (failure == "go_on")
    assert (tmp_path / "train" / "checkpoint" / "mask_rcnn-1_2.ckpt").exists()


@pytest.mark.slow
def test_a_run_killed_before_its_evaluation_evaluates_when_it_is_resumed(drawn, tmp_path):
    words = words_of(drawn, "max_steps=4", "epoch_size=2")
    job = Job(tmp_path, *words)
    checkpoint = tmp_path / "train" / "checkpoint" / "mask_rcnn-1_2.ckpt"
    deadline = time.monotonic() + 600
    while not checkpoint.exists():  # evaluation's graph is compiled after it, which takes seconds
        assert job.process.poll() is None and time.monotonic() < deadline, job.text()
        time.sleep(0.01)
    job.kill()
    job.process.wait()
    assert evaluated_steps(tmp_path) == []
    done = run("train.py", tmp_path, *words, "resume=auto")
    assert evaluated_steps(tmp_path) == [2, 4]
    assert "resumed from" in done.stdout

    # Resumed at its end, it says so, and leaves every file as it is.
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "train").rglob("*") if path.is_file()}
    done = run("train.py", tmp_path, *words, "resume=auto")
    assert "mask_rcnn-2_2.ckpt is the end of its run: nothing is left to do" in done.stdout
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "train").rglob("*") if path.is_file()}
    assert after == files


def evaluated_steps(folder):
    """The global steps after which metrics.jsonl has an evaluation."""
    lines = (folder / "train" / "metrics.jsonl").read_text().splitlines()
    return [row["step"] for row in map(json.loads, lines) if "evaluated" in row]
