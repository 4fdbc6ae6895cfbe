"""Ranks as real processes without MindSpore, for tests and measurements of `RankGroup`."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

RANK = """
import json, os, signal, sys, time
from pathlib import Path
from src.engine.distributed.rank_group import RankGroup
from src.engine.entry import run_main
from src.errors import TrainingError
rank, num, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])

def exchange(data):
    if data is not None:
        (folder / "part").write_bytes(data)
        os.rename(folder / "part", folder / "where")
        return data
    while not (folder / "where").exists():
        time.sleep(0.01)
    return (folder / "where").read_bytes()

def main():
    with RankGroup(rank, num, exchange) as group:
        (folder / f"pid{{rank}}").write_text(str(os.getpid()))
{body}

run_main(main)
"""


class Job:
    """Some ranks that run `body`, which may use the names group, rank and folder."""

    def __init__(self, folder, num, body, **environment):
        self.folder = folder
        script = RANK.format(body="\n".join("        " + line for line in body.strip().splitlines()))
        self.started = time.monotonic()
        self.ranks = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(rank), str(num), str(folder)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **environment},
                start_new_session=True,
            )
            for rank in range(num)
        ]

    def pid(self, rank):
        while not (self.folder / f"pid{rank}").exists() or not (self.folder / f"pid{rank}").read_text():
            time.sleep(0.02)
        return int((self.folder / f"pid{rank}").read_text())

    def wait_for(self, name):
        while not (self.folder / name).exists():
            assert time.monotonic() - self.started < 120, f"{name} did not come"
            time.sleep(0.02)

    def end(self, seconds=120):
        """[(exit code, stdout, stderr)] by rank."""
        try:
            outputs = [rank.communicate(timeout=seconds) for rank in self.ranks]
        finally:
            for rank in self.ranks:
                rank.kill()
        return [(rank.returncode, *output) for rank, output in zip(self.ranks, outputs)]
