"""What a tracker has, read by its own package."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

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


def wandb_folders(state: dict) -> List[Path]:
    """The folders of a run, the newest last."""
    return sorted(Path(state["store"]).glob(f"wandb/offline-run-*-{state['run']}"))


def wandb_records(state: dict) -> list:
    """The records of a run's newest folder."""
    from wandb.proto.wandb_internal_pb2 import Record

    path = wandb_folders(state)[-1] / f"run-{state['run']}.wandb"
    return [Record.FromString(data) for data in log_records(path)]


def log_records(path: Path) -> Iterator[bytes]:
    """The records of a .wandb file, which has LevelDB's log format after a header of 7 bytes.

    Blocks of 32 KiB hold pieces: CRC (4 bytes), length (2), and the kind: 1 for a whole record, 2, 3 and 4
    for its first, middle and last piece. The rest of a block that is too short for a piece's head is empty.
    """
    data = path.read_bytes()
    at = 7
    pieces = b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        pieces += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield pieces
            pieces = b""


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
