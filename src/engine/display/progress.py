"""The progress display, and loss_{rank}.log: one line per logged step, written, read back and numbered for plots."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

from tqdm import tqdm

from ...errors import DataError

# the names and their order in a line of loss_{rank}.log; rpn_loss and rcnn_loss are sums of the ones named after them
LOSS_NAMES = (
    "rpn_loss",
    "rcnn_loss",
    "rpn_cls_loss",
    "rpn_reg_loss",
    "rcnn_cls_loss",
    "rcnn_reg_loss",
    "rcnn_mask_loss",
    "total_loss",
)


class Progress:
    """How far a job is: a tqdm bar on a terminal, else one plain line every `quiet_seconds` and one at the end.

    Use it as a context manager. `total` counts `unit`s (None: unknown, then there is no ETA), of which `initial` were done before
    (they do not count in the rate). `stream` defaults to stderr, so that standard output stays for results.
    """

    def __init__(self, total, description, unit="step", initial=0, stream=None, quiet_seconds=60.0):
        self.total, self.description, self.unit, self.done = total, description, unit, initial
        self.stream = sys.stderr if stream is None else stream
        self.quiet_seconds, self.figures, self._initial = quiet_seconds, {}, initial
        self._started = self._spoke = time.monotonic()
        self._bar = None
        if self.stream.isatty():
            self._bar = tqdm(
                total=total,
                desc=description,
                unit=unit,
                initial=initial,
                file=self.stream,
                dynamic_ncols=True,
                smoothing=0.1,
            )

    def update(self, n=1, **figures):
        """`n` more units are done; `figures` (losses, learning rate ...: numbers or texts) are shown until newer ones replace them."""
        self.done += n
        self.figures.update(figures)
        if self._bar is not None:
            if figures:
                self._bar.set_postfix_str(_figures_text(self.figures), refresh=False)
            self._bar.update(n)
        elif time.monotonic() - self._spoke >= self.quiet_seconds:
            self._say()

    def close(self):
        """End the display; its last state stays visible. A second call does nothing."""
        if self._bar is not None:
            self._bar.close()
        elif self._spoke is not None:
            self._say()
        self._bar = self._spoke = None

    def write(self, text):
        """Print a line to the stream without tearing the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def _say(self):
        self._spoke = time.monotonic()
        seconds = self._spoke - self._started
        rate = (self.done - self._initial) / max(seconds, 1e-9)
        count = (
            f"{self.done}/{self.total} {self.unit}s ({100 * self.done // self.total}%)"
            if self.total
            else f"{self.done} {self.unit}s"
        )
        parts = [count, f"{_clock(seconds)} gone"]
        if self.total and self.done < self.total and rate > 0:
            parts.append(f"{_clock((self.total - self.done) / rate)} left")
        parts.append(
            f"{rate:.2f} {self.unit}/s" if rate >= 0.1 or rate == 0 else f"{1 / rate:.1f} s/{self.unit}"
        )
        if self.figures:
            parts.append(_figures_text(self.figures))
        print(f"{self.description}: " + ", ".join(parts), file=self.stream, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _clock(seconds):
    return tqdm.format_interval(seconds)


def _figures_text(figures):
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


class LossLog:
    """Appends the lines of loss_{rank}.log; each reaches the file at once, so that a killed run leaves all its steps."""

    def __init__(self, path):
        """Open `path` for appending, making its folder; a DataError says why it cannot be written."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a", encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"loss log {path}: {error.strerror or error}; choose a work folder that can be written"
            ) from None

    def write(self, epoch, step, losses):
        """One line: `epoch` and `step` within it count from 1; `losses` maps every name of LOSS_NAMES to a number.

        Raises ValueError if one is missing.
        """
        missing = [name for name in LOSS_NAMES if name not in losses]
        if missing:
            raise ValueError(f"losses without {', '.join(missing)}")
        figures = ", ".join(f"{name}: {float(losses[name]):.5f}" for name in LOSS_NAMES)
        self._file.write(f"epoch: {int(epoch)} step: {int(step)} ,{figures}\n")
        self._file.flush()

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|nan|inf)"
_LINE = re.compile(r"epoch: (\d+) step: (\d+) ,(.*)", re.DOTALL)
_FIGURE = re.compile(rf"\s*(\w+): ({_NUMBER})\s*")


def read_loss_log(path):
    """A loss log as a list of dicts {"epoch": int, "step": int, "rpn_loss": float, ...} in the file's order.

    A last line that a killed run left unfinished (no line end) is left out; any other line that does not parse is a DataError.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"loss log {path}: {getattr(error, 'strerror', None) or error}") from None
    rows = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.strip() or not line.endswith("\n"):
            continue
        match = _LINE.fullmatch(line.strip())
        figures = [_FIGURE.fullmatch(part) for part in match.group(3).split(",")] if match else [None]
        if not all(figures):
            raise DataError(
                f"loss log {path}, line {number}: 'epoch: 1 step: 1 ,rpn_loss: 0.1, ...' expected, found '{line.strip()[:60]}'"
            )
        rows.append(
            {
                "epoch": int(match.group(1)),
                "step": int(match.group(2)),
                **{item[1]: float(item[2]) for item in figures},
            }
        )
    return rows


def cut_loss_log(path, epoch, step):
    """Leave out of a loss log, if it is there, what comes after `step` of `epoch` (both from 1), and an unfinished last line."""
    if not Path(path).exists():
        return
    kept = [row for row in read_loss_log(path) if (row["epoch"], row["step"]) <= (epoch, step)]
    part = Path(path).with_name(Path(path).name + ".part")
    part.unlink(missing_ok=True)
    with LossLog(part) as log:
        for row in kept:
            log.write(row["epoch"], row["step"], row)
    os.replace(part, path)


def global_steps(rows):
    """The step of each row of `read_loss_log` counted from the start of the run, for plots.

    An epoch's length is the largest step any epoch of the log reached, so that a log that leaves steps out, or that begins
    with a later epoch, is still placed right.
    """
    length = max((row["step"] for row in rows), default=0)
    return [(row["epoch"] - 1) * length + row["step"] for row in rows]
