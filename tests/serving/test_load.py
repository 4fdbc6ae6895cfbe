"""Many clients at once, by the benchmark that measures it; how fast they are is not asked here."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import ROOT
from tests.serving.server import network_file


def test_64_clients_get_answers_and_the_memory_stays():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", str(network_file()), "--seconds", "4", "--side", "128"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = dict(re.findall(r"(\d+): (\d+)", done.stdout.splitlines()[0]))
    assert set(answers) <= {"200", "503"} and int(answers["200"]) >= 64
    assert re.search(r"p50 [\d.]+ s, p95 [\d.]+ s, p99 [\d.]+ s", done.stdout)
