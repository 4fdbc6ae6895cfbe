"""Requests that schemathesis draws from /openapi.json: right and wrong ones, for every path."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.serving.server import network_file, running

# A picture's bytes are described as any bytes, so that right requests are refused as no pictures.
LEFT_OUT = "positive_data_acceptance"


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_drawn_requests_are_answered_as_the_description_says(tmp_path):
    with running(network_file()) as server:
        command = ["-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--checks", "all"]
        options = ["--exclude-checks", LEFT_OUT, "--max-examples", "20", "--seed", "1", "--no-color"]
        done = subprocess.run(
            [sys.executable, *command, *options, "--phases", "examples,coverage,fuzzing"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert server.metric('maskrcnn_requests_total{path="/v1/predict",status="400"}') > 0
