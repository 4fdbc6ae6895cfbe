"""The files that an evaluation writes."""

from __future__ import annotations

import json
import os

import pytest

from src.errors import DataError
from src.evaluation.result_files import write_metrics


def test_metrics_are_written_whole(tmp_path):
    metrics = {"bbox": {"AP": 0.5, "per_class": {"a": 0.5}}, "segm": {}}
    path = write_metrics(tmp_path / "eval", metrics)
    assert path.name == "metrics.json" and json.loads(path.read_text()) == metrics
    with pytest.raises(TypeError):
        write_metrics(tmp_path / "eval", {"bbox": {"AP": object()}})
    assert json.loads(path.read_text()) == metrics and os.listdir(tmp_path / "eval") == ["metrics.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        write_metrics(tmp_path / "file", metrics)
