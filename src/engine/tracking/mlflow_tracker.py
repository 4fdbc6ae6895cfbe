"""MLflow: runs in a folder, or on the server of MLFLOW_TRACKING_URI."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Mapping, Optional

from .tracker import LostRunError, Tracker

EXPERIMENT = "mask_rcnn"
_LARGEST_BATCH = 1000  # metrics of one call, MLflow's own limit
_MOST_PARAMETERS = 100  # of one call, too


class MlflowTracker(Tracker):
    """A run of MLflow. The settings are its parameters, figures its metrics, files its artifacts."""

    def open(self, store: str, run: Optional[str], name: str, settings: Mapping[str, Any]) -> str:
        # Before MLflow is loaded: it would send counts of its use to its makers.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        if store.startswith("file:"):
            # From 3.13 on MLflow asks for this word before it writes to a folder.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=store)
        self.pending = []
        self.last_steps = {}
        if run is not None:
            self.run = run
            self.check_run()
            self.client.update_run(run, status="RUNNING")
            for metric in self.client.get_run(run).data.metrics:
                history = self.client.get_metric_history(run, metric)
                self.last_steps[metric] = max(entry.step for entry in history)
            return run
        title = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self.client.get_experiment_by_name(title)
        number = experiment.experiment_id if experiment else self.client.create_experiment(title)
        self.run = self.client.create_run(number, run_name=name).info.run_id
        parameters = [Param(key, str(value)) for key, value in settings.items()]
        for start in range(0, len(parameters), _MOST_PARAMETERS):
            self.client.log_batch(self.run, params=parameters[start : start + _MOST_PARAMETERS])
        return self.run

    def check_run(self) -> None:
        """Raises LostRunError if the run was deleted: MLflow marks it first, and removes it later."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

        try:
            stage = self.client.get_run(self.run).info.lifecycle_stage
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            raise LostRunError from error
        if stage == "deleted":
            raise LostRunError

    def log(self, number: int, step: int, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        for name, value in figures.items():
            # A process that was killed while it wrote a batch has written a part of it.
            if step > self.last_steps.get(name, -1):
                self.pending.append(Metric(name, value, now, step))

    def flush(self) -> None:
        for start in range(0, len(self.pending), _LARGEST_BATCH):
            self.client.log_batch(self.run, metrics=self.pending[start : start + _LARGEST_BATCH])
        self.pending = []

    def add_file(self, path: Path) -> None:
        self.client.log_artifact(self.run, str(path))

    def close(self, is_complete: bool) -> None:
        self.client.set_terminated(self.run, status="FINISHED" if is_complete else "KILLED")
