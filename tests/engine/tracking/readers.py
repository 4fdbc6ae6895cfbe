"""What a tracker has, read by its own package."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Tuple

History = Dict[str, List[Tuple[int, float]]]


def expected_history(metrics: Path) -> History:
    """{name: [(step, figure)]} of a metrics.jsonl."""
    history = defaultdict(list)
    for line in metrics.read_text().splitlines():
        row = json.loads(line)
        if "evaluated" not in row:
            for name in row.keys() - {"step", "epoch", "place"}:
                history[name].append((row["step"], row[name]))
            continue
        ending = {"weights": "", "average": "_average"}[row["evaluated"]]
        for kind in row.keys() & {"bbox", "segm"}:
            for name, value in row[kind].items():
                history[f"{kind}{ending}/{name}"].append((row["step"], value))
    return dict(history)


def mlflow_history(state: dict) -> History:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(state["store"])
    return {
        name: [(entry.step, entry.value) for entry in client.get_metric_history(state["run"], name)]
        for name in client.get_run(state["run"]).data.metrics
    }


def wandb_records(state: dict) -> list:
    """The records of all offline files of a run, in the order in which they were written."""
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    records = []
    files = Path(state["store"]).glob(f"wandb/offline-run-*-{state['run']}/run-{state['run']}.wandb")
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        store = DataStore()
        store.open_for_scan(str(path))
        data = store.scan_data()
        while data is not None:
            records.append(Record.FromString(data))
            data = store.scan_data()
    return records


def wandb_history(state: dict) -> History:
    history = defaultdict(list)
    for record in wandb_records(state):
        if record.WhichOneof("record_type") == "history":
            row = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for name in row.keys() - {"step"}:
                if not name.startswith("_"):
                    history[name].append((row["step"], row[name]))
    return dict(history)
