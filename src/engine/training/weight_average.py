"""The average of the weights (`ema_decay`) on its way out of a training step: as a network's entries, and as a checkpoint of its own."""

from __future__ import annotations

from ...weights.checkpoint import network_settings, write_checkpoint

WEIGHTS, AVERAGE = "mask_rcnn-", "mask_rcnn_ema-"  # checkpoints are called {...}{epoch}_{step}.ckpt


def average_entries(step_cell):
    """{parameter's name: its average, a Parameter} of a step with `ema_decay`, else None."""
    average = getattr(step_cell, "average", None)
    return (
        None
        if average is None
        else {source.name: mean for source, mean in zip(average.sources, average.averages)}
    )


def save_average(run, name):
    """Write the average beside checkpoint `name` (mask_rcnn-{epoch}_{step}.ckpt), where there is one, and delete those whose checkpoint is gone.

    It is a whole model's checkpoint, for eval.py, predict.py, export.py and `pre_trained`.
    """
    entries = average_entries(run.step_cell)
    if entries is None:
        return
    write_checkpoint(
        run.checkpoints / name.replace(WEIGHTS, AVERAGE, 1),
        entries,
        network_settings(run.config, run.norm),
        {"epoch_num": run.epoch + 1, "step_num": run.place},
    )
    for path in run.checkpoints.glob(f"{AVERAGE}*.ckpt"):
        if not path.with_name(path.name.replace(AVERAGE, WEIGHTS, 1)).exists():
            path.unlink()
