"""A process of a training, as the hook `Tracking` sees one; steps without a network.

    python -m tests.engine.tracking.tracked_process FOLDER TRACKER FIRST LAST SAVED

It does the steps FIRST to LAST, writes metrics.jsonl in FOLDER, and has a checkpoint after every SAVED steps.
With LAST below 40, where the training ends, it ends by SIGKILL. After the step BREAK_AT of the environment
MLflow's folder is another's file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

from src.engine.display.metrics_file import MetricsFile
from src.engine.distributed.rank_group import RankGroup
from src.engine.hooks.tracking import Tracking
from src.log import configure_logging

TOTAL = 40
SETTINGS = {
    "base_lr": 0.02,
    "coco_classes": ("background", "cat"),
    "roi_layer": {"out_size": 7},
    "max_steps": None,
}


def figures(step: int, process: int) -> dict:
    """A row's figures; the time is another one when a step is done again."""
    return {"lr": 0.5 / step, "total_loss": 1.0 / (3 * step), "seconds": step + process / 1000}


def main(folder: str, tracker: str, first: int, last: int, saved: int) -> None:
    configure_logging()
    folder = Path(folder)
    checkpointing = SimpleNamespace(writes=True, written=1)
    trainer = SimpleNamespace(
        device=SimpleNamespace(rank=0, group=RankGroup()),
        work_dir=folder,
        global_step=first - 1,
        resumed=object() if first > 1 else None,
    )
    file = MetricsFile(folder / "metrics.jsonl", first - 1)
    hook = Tracking(tracker, SETTINGS, checkpointing, ("report.html",))
    hook.before_train(trainer)
    for step in range(first, last + 1):
        if step - 1 == int(os.environ.get("BREAK_AT", -1)):
            (folder / "mlruns").rename(folder / "gone")
            (folder / "mlruns").write_text("a file in the place of the folder")
        trainer.global_step = step
        file.write({"step": step, "epoch": 1, "place": step, **figures(step, os.getpid())})
        checkpointing.written += step % saved == 0
        hook.after_step(trainer, None)
        if step == 20:
            for name in ("weights", "average"):
                file.write({"step": step, "epoch": 1, "evaluated": name, "segm": {"AP": 0.25, "AP50": 1 / 3}})
            checkpointing.written += 1
            hook.after_epoch(trainer)
    if last < TOTAL:
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "report.html").write_text("<p>a report</p>")
    hook.after_train(trainer)
    hook.close(trainer)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
