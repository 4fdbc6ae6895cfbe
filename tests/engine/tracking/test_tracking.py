"""Trackers have what metrics.jsonl has, each step once, whatever happens to the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.engine.tracking.mlflow_tracker import MlflowTracker
from src.engine.tracking.tracker import LostRunError
from src.engine.tracking.wandb_tracker import check_folder
from tests.conftest import ROOT
from tests.engine.tracking.readers import (
    expected_history,
    mlflow_history,
    wandb_folders,
    wandb_history,
    wandb_records,
)

READERS = {"mlflow": mlflow_history, "wandb": wandb_history}


def process(folder, tracker, first, last, saved=8, code=0, **environment):
    """What a process of the training printed; it has to end with `code`."""
    folder.mkdir(exist_ok=True)
    words = [str(folder), tracker, str(first), str(last), str(saved)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WANDB_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.tracking.tracked_process", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def state_of(folder):
    return json.loads((folder / "tracker.json").read_text())


@pytest.fixture(autouse=True)
def folders_are_stores(monkeypatch):
    """From 3.13 on MLflow asks for this word before it opens a folder."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function that gives a folder after a run of a tracker was killed and resumed, and the first state."""
    made = {}

    def make(tracker):
        pytest.importorskip(tracker)
        if tracker not in made:
            folder = tmp_path_factory.mktemp(tracker)
            process(folder, tracker, 1, 30, code=-9)  # checkpoints after 8, 16, 20 and 24 steps
            first = state_of(folder)
            process(folder, tracker, 25, 40)
            made[tracker] = folder, first
        return made[tracker]

    return make


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_a_run_that_is_killed_and_resumed_is_one_run_with_each_step_once(tracker, runs):
    folder, first = runs(tracker)
    assert first["step"] == 24 and first["rows"] == 26  # two rows are of the evaluation
    state = state_of(folder)
    assert (state["run"], state["step"], state["rows"]) == (first["run"], 40, 42)
    history = READERS[tracker](state)
    assert history == expected_history(folder / "metrics.jsonl")
    assert [step for step, _ in history["total_loss"]] == list(range(1, 41))
    assert history["segm_average/AP50"] == [(20, 1 / 3)]


def test_mlflow_has_the_settings_the_report_and_the_end(runs, tmp_path):
    folder, _ = runs("mlflow")
    from mlflow.tracking import MlflowClient

    state = state_of(folder)
    assert state["store"] == (folder / "mlruns").as_uri()
    client = MlflowClient(state["store"])
    run = client.get_run(state["run"])
    assert run.info.status == "FINISHED" and run.info.run_name == folder.name
    assert run.data.params == {
        "base_lr": "0.02",
        "coco_classes": "('background', 'cat')",
        "roi_layer": "{'out_size': 7}",
        "max_steps": "None",
    }
    report = client.download_artifacts(state["run"], "report.html", str(tmp_path))
    assert open(report).read() == "<p>a report</p>"
    experiment = client.get_experiment_by_name("mask_rcnn")
    assert [found.info.run_id for found in client.search_runs([experiment.experiment_id])] == [state["run"]]


def test_wandb_has_the_settings_and_the_report(runs):
    folder, _ = runs("wandb")
    state = state_of(folder)
    settings = {}
    for record in wandb_records(state):
        if record.WhichOneof("record_type") == "run":
            settings.update({item.key: json.loads(item.value_json) for item in record.run.config.update})
    assert settings["coco_classes"] == ["background", "cat"] and settings["roi_layer"] == {"out_size": 7}
    assert settings["base_lr"] == 0.02 and settings["max_steps"] is None
    folders = wandb_folders(state)
    assert len(folders) == 2  # one of each process
    assert (folders[-1] / "files" / "report.html").read_text() == "<p>a report</p>"


def test_steps_that_are_done_again_go_into_a_new_run(tmp_path):
    """resume=FILE may name a checkpoint from before what the tracker has."""
    pytest.importorskip("mlflow")
    process(tmp_path, "mlflow", 1, 30, code=-9)
    first = state_of(tmp_path)
    done = process(tmp_path, "mlflow", 9, 40)
    assert f"a new run is begun, as run {first['run']} has steps up to 24 already" in done.stdout
    state = state_of(tmp_path)
    assert state["run"] != first["run"]
    assert mlflow_history(state) == expected_history(tmp_path / "metrics.jsonl")


def test_a_batch_that_was_cut_off_is_completed(tmp_path):
    """The process was killed while it handed rows over: the store has some of them, tracker.json none."""
    pytest.importorskip("mlflow")
    process(tmp_path, "mlflow", 1, 12, code=-9)
    before = (tmp_path / "tracker.json").read_text()
    process(tmp_path, "mlflow", 9, 18, code=-9)
    (tmp_path / "tracker.json").write_text(before)
    process(tmp_path, "mlflow", 17, 40)
    state = state_of(tmp_path)
    assert mlflow_history(state) == expected_history(tmp_path / "metrics.jsonl")


def test_a_tracker_that_fails_in_the_middle_ends_nothing_and_is_told_once(tmp_path):
    pytest.importorskip("mlflow")
    done = process(tmp_path, "mlflow", 1, 40, BREAK_AT="18")
    warnings = [
        line for line in done.stderr.splitlines() if line.startswith("warning: tracker=mlflow failed")
    ]
    assert len(warnings) == 1 and "training goes on without it" in warnings[0]
    state = state_of(tmp_path)
    assert state["step"] == 16
    # Once the store is there again, a resumed run hands over what it lacks.
    (tmp_path / "mlruns").unlink()
    (tmp_path / "gone").rename(tmp_path / "mlruns")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 42
    process(tmp_path, "mlflow", 33, 40)
    assert mlflow_history(state) == expected_history(tmp_path / "metrics.jsonl")


def test_a_store_that_cannot_be_written_is_one_line_before_the_first_step(tmp_path):
    pytest.importorskip("mlflow")
    tmp_path.joinpath("mlruns").write_text("a file in the place of the folder")
    done = process(tmp_path, "mlflow", 1, 40, code=1)
    error = done.stderr.strip().splitlines()[-1]
    assert "ConfigError: tracker=mlflow: no run could be begun in file://" in error
    assert error.endswith("; MLFLOW_TRACKING_URI names another place, tracker=none trains without")
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_wandb_does_not_write_to_another_folder_than_it_was_told(tmp_path):
    """Where it cannot write it would write to the temporary folder."""
    pytest.importorskip("wandb")
    run, elsewhere, file = (tmp_path / name for name in ("run", "elsewhere", "file"))
    elsewhere.mkdir()
    file.touch()
    store = file / "runs"  # root can write to any folder, but not below a file
    done = process(run, "wandb", 1, 40, code=1, WANDB_DIR=str(store), TMPDIR=str(elsewhere))
    error = done.stderr.strip().splitlines()[-1]
    assert f"ConfigError: tracker=wandb: no run could be begun in {store}: NotADirectoryError: " in error
    assert error.endswith("; WANDB_DIR names another place, tracker=none trains without")
    assert not list(elsewhere.rglob("*wandb*"))
    assert (run / "metrics.jsonl").read_text() == "" and not (run / "tracker.json").exists()


def test_a_folder_that_cannot_be_written_is_no_store_of_wandb():
    with pytest.raises(OSError, match=r"'/proc'$"):
        check_folder(Path("/proc"))


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_run_that_mlflow_has_no_more_is_lost(is_removed, tmp_path):
    pytest.importorskip("mlflow")
    store = (tmp_path / "mlruns").as_uri()
    tracker = MlflowTracker()
    run = tracker.open(store, None, "a run", {})
    assert MlflowTracker().open(store, run, "a run", {}) == run
    if is_removed:
        (folder,) = (tmp_path / "mlruns").glob(f"*/{run}")  # as `mlflow gc` does after a while
        shutil.rmtree(folder)
    else:
        tracker.client.delete_run(run)
    with pytest.raises(LostRunError):
        MlflowTracker().open(store, run, "a run", {})


def test_a_run_that_was_deleted_is_told_of_with_the_way_to_a_new_one(tmp_path):
    pytest.importorskip("mlflow")
    store = (tmp_path / "mlruns").as_uri()
    tracker = MlflowTracker()
    run = tracker.open(store, None, "a run", {})
    tracker.client.delete_run(run)
    path = tmp_path / "tracker.json"
    first = {"tracker": "mlflow", "store": store, "run": run, "rows": 24, "step": 24}
    path.write_text(json.dumps(first))
    rows = ({"step": step, "total_loss": 1 / step} for step in range(1, 25))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = process(tmp_path, "mlflow", 25, 32, code=-9)
    assert done.stderr.splitlines() == [
        f"warning: tracker=mlflow: run {run} was deleted in {store}, and training goes on without a tracker; "
        "to begin a new run, which gets all rows of metrics.jsonl, stop this training, "
        f"remove {path} and resume"
    ]
    assert state_of(tmp_path) == first
    path.unlink()
    process(tmp_path, "mlflow", 33, 40)
    state = state_of(tmp_path)
    assert state["run"] != run
    history = mlflow_history(state)
    assert history == expected_history(tmp_path / "metrics.jsonl")
    assert [step for step, _ in history["total_loss"]] == list(range(1, 41))
