"""Compiles the step's graph before the first step, or reads the graph that an earlier run has kept."""

from __future__ import annotations

import time
from typing import Any, Mapping

from ..runtime.compile_cache import compile_cell
from .hook import Hook


class Compilation(Hook):
    """Sets `trainer.compile_summary` ("compiled in 28.1 s"), which the progress display prints.

    Args:
        compile_cache, graph_settings: As of `compile_cell`.
    """

    def __init__(self, compile_cache: str, graph_settings: Mapping[str, Any]):
        self.compile_cache = compile_cache
        self.graph_settings = graph_settings

    def before_step(self, trainer, batch) -> None:
        if trainer.compile_summary is not None:
            return
        # Compilation takes as long as it takes: no time limit for the heartbeat.
        trainer.device.group.report(
            f"while it compiled, {trainer.next_step_text(batch)}", idle_limit=None, grace=3
        )
        started = time.perf_counter()
        done = compile_cell(
            trainer.step_cell, trainer.inputs, trainer.device, self.compile_cache, self.graph_settings
        )
        trainer.compile_summary = f"{done} in {time.perf_counter() - started:.1f} s"
