"""How a rank leaves MindSpore's cluster when its process ends."""

from __future__ import annotations

import os

import pytest

from tests.engine.distributed.rank_jobs import run_with_msrun

# What is registered first runs last: MindSpore leaves the cluster between the two functions.
PROGRAM = """
import atexit
import os
from pathlib import Path

def note(moment):
    with open(f"policies{os.environ['RANK_ID']}-{os.environ['MS_ROLE']}", "a") as file:
        print(moment, os.sched_getscheduler(0), file=file)

atexit.register(note, "after")

from src.engine.runtime.device import start_device

atexit.register(note, "before")
with start_device("CPU").group:
    note("within")
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="this system has no such policy")
def test_the_main_thread_gives_way_to_the_receiving_one(tmp_path):
    """SCHED_BATCH is 3 and the usual policy 0 (sched(7)): woken, it pushes no running thread aside.

    MindSpore removes a connection as soon as the scheduler has answered, which the thread that received the
    answer reads once more: a segmentation fault where it was pushed aside.
    """
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run_with_msrun(tmp_path, str(program))
    for rank in range(2):
        lines = (tmp_path / f"policies{rank}-MS_WORKER").read_text().splitlines()
        assert lines == ["within 0", "before 3", "after 3"]
