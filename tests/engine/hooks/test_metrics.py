"""metrics.jsonl and TensorBoard's writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from src.engine.display.metrics_file import MetricsFile, read_metrics
from src.errors import DataError
from tests.conftest import ROOT


def test_metrics_after_a_kill_go_on_where_the_run_does(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        "".join(json.dumps({"step": step, "total_loss": 1.0}) + "\n" for step in (1, 2, 3))
        + '{"step": 4, "tot'
    )
    file = MetricsFile(path, global_step=2)
    file.write({"step": 3, "total_loss": 2.0})
    file.close()
    assert [(row["step"], row["total_loss"]) for row in read_metrics(path)] == [(1, 1.0), (2, 1.0), (3, 2.0)]
    MetricsFile(path).close()
    assert read_metrics(path) == []
    path.write_text('{"step": 1}\nhello\n')
    with pytest.raises(DataError, match="line 2"):
        read_metrics(path)


def test_tensorboards_writer_does_not_load_pytorch(tmp_path):
    """Where PyTorch is installed, tensorboardX loads it: here one that says so."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit('PyTorch was loaded')")
    program = (
        "from src.engine.hooks.metrics import summary_writer_class\n"
        "summary_writer_class()('events').add_scalar('a', 1, 2)\n"
        "import torch"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        done.stderr.endswith("PyTorch was loaded\n") and "summary_writer" not in done.stderr
    )  # by the program's last word alone
    assert len(list((tmp_path / "events").iterdir())) == 1
