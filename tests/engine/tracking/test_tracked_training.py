"""A whole training with a tracker."""

from __future__ import annotations

import json
import signal

import pytest

from tests.engine.jobs import Job
from tests.engine.tracking.readers import expected_history, mlflow_history


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_that_is_killed_and_resumed_is_one_run_of_mlflow(words, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    own = [
        *(word for word in words if not word.startswith("max_steps")),
        "max_steps=11",
        "tracker=mlflow",
        "eval_interval=1",
        "report=True",
        "save_checkpoint_steps=3",
        "save_checkpoint_minutes=0",
    ]
    job = Job(tmp_path, *own)
    job.wait_for_step(5)
    job.kill()
    job.end(-signal.SIGKILL)
    first = json.loads((job.work / "tracker.json").read_text())
    job = Job(tmp_path, *own, "resume=auto")
    assert f"tracker: mlflow, run {first['run']} in {(tmp_path / 'mlruns').as_uri()}" in job.end(0)
    state = json.loads((job.work / "tracker.json").read_text())
    assert first["run"] == state["run"] and first["step"] in (3, 6, 9) and state["step"] == 11
    history = mlflow_history(state)
    assert history == expected_history(job.work / "metrics.jsonl")
    assert [step for step, _ in history["total_loss"]] == list(range(1, 12))
    figures = json.loads((job.work / "eval" / "metrics.json").read_text())
    assert history["segm/AP"] == [(11, figures["segm"]["AP"])]
    client = MlflowClient(state["store"])
    run = client.get_run(state["run"])
    assert run.info.status == "FINISHED" and run.data.params["max_steps"] == "11"
    report = client.download_artifacts(state["run"], "report.html", str(tmp_path))
    assert open(report).read() == (job.work / "report.html").read_text()
