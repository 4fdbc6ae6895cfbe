"""Watching a run: the progress display, metrics.jsonl with TensorBoard's event files beside it, and the curves; hooks of `hooks.py`."""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
from collections import deque
from pathlib import Path

import mindspore as ms

from ...errors import DataError, TrainingError
from ..display.progress import LOSS_NAMES, Progress
from ..display.visualize import plot_losses, plot_precision
from .hook import Hook

WINDOW = 20  # steps that displayed figures are medians of, as in detectron2
SMALLEST_SCALE = 2.0**-10  # a dynamic loss scale under this has nothing left to scale


class ProgressDisplay(Hook):
    """The progress bar, or a line a minute, of the first rank, and how long the graph's compilation took.

    Losses are medians of the last 20 steps; images/s counts all devices' pictures over the same steps; "data" is the share of the time that
    was spent waiting for pictures.
    """

    progress = None

    def start(self, run):
        if run.device.rank == 0:
            self.progress = Progress(run.total, "training", initial=run.done)
            self.window, self.first = deque(maxlen=WINDOW), True

    def step(self, run, step):
        if self.progress is None:
            return
        if self.first:
            self.progress.write(f"the graph was {run.compiled}; first step, with that: {step.seconds:.1f} s")
            self.first = False
        else:
            self.window.append((step.losses, step.waited, step.seconds))
        figures = [losses for losses, _, _ in self.window] or [step.losses]
        shown = dict(
            loss=losses_text(
                {name: statistics.median(losses[name] for losses in figures) for name in LOSS_NAMES}
            ),
            lr=step.rate,
            memory=f"{memory_gb(run.device.target):.1f} GB",
        )
        if self.window:
            shown.update(speed(self.window, run.config.batch_size * run.device.num))
        if step.losses.get("loss_scale", 1.0) != 1.0:
            shown["scale"] = step.losses["loss_scale"]
        self.progress.update(1, **shown)

    def close(self, run):
        if self.progress is not None:
            self.progress.close()


def losses_text(losses):
    """Total and seven losses in one short text, which shows what is a sum of what."""
    return (
        "{total_loss:.4g} = rpn {rpn_loss:.3g} (class {rpn_cls_loss:.3g} box {rpn_reg_loss:.3g}) + rcnn {rcnn_loss:.3g} "
        "(class {rcnn_cls_loss:.3g} box {rcnn_reg_loss:.3g} mask {rcnn_mask_loss:.3g})"
    ).format(**losses)


def speed(window, pictures):
    """{"images/s": ..., "data": ...} of steps (losses, waited, seconds), each of `pictures` pictures."""
    waited, seconds = sum(item[1] for item in window), sum(item[2] for item in window)
    gone = max(waited + seconds, 1e-9)
    return {"images/s": pictures * len(window) / gone, "data": f"{100 * waited / gone:.0f}%"}


def memory_gb(target):
    """The most memory this process has held so far, in GB: the card's on Ascend, else the machine's."""
    if target == "Ascend":
        return ms.runtime.max_memory_allocated() / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class MetricsFile:
    """metrics.jsonl: one JSON object a line, each with "step", the steps that were done. Lines reach the file at once."""

    def __init__(self, path, done=0):
        """Open for appending; lines after step `done`, which a killed run had come to, are taken out, and with done=0 all."""
        self.path = Path(path)
        kept = (
            [row for row in read_metrics(path) if row["step"] <= done] if done and self.path.exists() else []
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f".{self.path.name}.partial")
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
            os.replace(temporary, self.path)
            self._file = open(self.path, "a", encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path}: {error.strerror or error}; choose a work folder that can be written"
            ) from None

    def write(self, row):
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self):
        self._file.close()


def read_metrics(path):
    """The lines of a metrics.jsonl as dicts, in the file's order; a last line that a killed run left unfinished is left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            continue
        try:
            rows.append(json.loads(line))
            rows[-1]["step"]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}, line {number}: a JSON object with \"step\" expected, found '{line.strip()[:60]}'"
            ) from None
    return rows


class Metrics(Hook):
    """metrics.jsonl and TensorBoard's event files (`tensorboard/`, unless tensorboard=False), of the first rank.

    A line every `log_interval` steps: step, epoch, place, lr, the losses, gradient_norm, loss_scale, skipped, seconds, data_seconds,
    images_per_second, memory_gb. Other hooks add lines and pictures by `note` and `pictures`.
    """

    file = writer = None

    def start(self, run):
        if run.device.rank != 0:
            return
        self.file = MetricsFile(run.work_dir / "metrics.jsonl", run.done)
        if run.config.tensorboard:
            self.writer = summary_writer()(
                str(run.work_dir / "tensorboard"), purge_step=run.done + 1 if run.done else None
            )

    def step(self, run, step):
        if self.file is None or (step.done % run.config.log_interval and step.done < run.total):
            return
        gone = max(step.waited + step.seconds, 1e-9)
        timing = {
            "seconds": round(step.seconds, 4),
            "data_seconds": round(step.waited, 4),
            "images_per_second": round(run.config.batch_size * run.device.num / gone, 4),
            "memory_gb": round(memory_gb(run.device.target), 3),
        }
        self.file.write(
            {
                "step": step.done,
                "epoch": step.epoch,
                "place": step.place,
                "lr": step.rate,
                **step.losses,
                **timing,
            }
        )
        if self.writer is None:
            return
        self.scalars(
            step.done,
            {
                "lr": step.rate,
                **{f"loss/{name}": step.losses[name] for name in LOSS_NAMES},
                "gradient_norm": step.losses["gradient_norm"],
                **{f"run/{name}": value for name, value in timing.items()},
            },
        )
        if run.config.loss_scale == "dynamic":
            self.scalars(step.done, {name: step.losses[name] for name in ("loss_scale", "skipped")})

    def note(self, run, row, scalars):
        """Add a line of other figures after the step that was last done, and `scalars` to TensorBoard."""
        if self.file is not None:
            self.file.write({"step": run.done, "epoch": run.epoch + 1, **row})
            self.scalars(run.done, scalars)

    def scalars(self, step, values):
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def picture(self, run, name, picture):
        """Show a picture, uint8 [H, W, 3] RGB, in TensorBoard."""
        if self.writer is not None:
            self.writer.add_image(name, picture, run.done, dataformats="HWC")
            self.writer.flush()

    def close(self, run):
        if self.file is not None:
            self.file.close()
        if self.writer is not None:
            self.writer.close()


def summary_writer():
    """tensorboardX's SummaryWriter, without the PyTorch that it would load where one is installed: 2 seconds and 0.2 GB of every start, for the
    drawing of PyTorch's own graphs and tensors."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # an import of it fails, as where it is not installed
    try:
        from tensorboardX import SummaryWriter
    finally:
        if hidden:
            del sys.modules["torch"]
    return SummaryWriter


class Curves(Hook):
    """losses.png and, once something was evaluated, ap.png in the work folder, drawn anew after every epoch by the first rank."""

    def epoch(self, run):
        self.draw(run)

    def end(self, run):
        self.draw(run)

    def draw(self, run):
        if run.device.rank != 0:
            return
        plot_losses(run.work_dir / f"loss_{run.device.rank}.log", run.work_dir / "losses.png")
        rows = [row for row in read_metrics(run.work_dir / "metrics.jsonl") if "evaluated" in row]
        if rows:
            plot_precision(rows, run.work_dir / "ap.png")


class ScaleGuard(Hook):
    """Ends a run whose dynamic loss scale has collapsed: gradients overflow at any scale, so nothing is learnt any more."""

    def step(self, run, step):
        if run.config.loss_scale == "dynamic" and step.losses["loss_scale"] < SMALLEST_SCALE:
            raise TrainingError(
                f"the loss scale fell to {step.losses['loss_scale']:g} at epoch {step.epoch} step {step.place}, rank "
                f"{run.device.rank}, pictures {step.batch['image_id'].tolist()}: gradients are not finite at any scale; a lower "
                "base_lr or a longer warmup_step may help, weights saved before are untouched"
            )
