"""The progress display: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Dict, Optional, TextIO, Union

from tqdm import tqdm

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{seconds_left}, {rate_fmt}{postfix}]"


class Progress:
    """How far a job is: a tqdm bar on a terminal, else one line every `quiet_seconds` and one at the end.

    Use it as a context manager.

    Args:
        total: The number of units; None: it is not known, then the remaining time is not shown.
        description: What is being done.
        unit: What is counted.
        initial: Units that were done before; they do not count in the speed.
        stream: Where to write; None: stderr, so that standard output has results only.
        quiet_seconds: The time between lines where `stream` is not a terminal.
        clock: Seconds, as `time.monotonic` gives them.

    Attributes:
        done: Units that are done, `initial` included.
        pauses_left: How many breaks (`pause`) are still to come; the remaining time counts them.
    """

    def __init__(
        self,
        total: Optional[int],
        description: str,
        unit: str = "step",
        initial: int = 0,
        stream: Optional[TextIO] = None,
        quiet_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total = total
        self.pauses_left = 0
        self.description = description
        self.unit = unit
        self.done = initial
        self.stream = sys.stderr if stream is None else stream
        self.quiet_seconds = quiet_seconds
        self._figures: Dict[str, Union[float, str]] = {}
        self._clock = clock
        self._started = clock()
        self._last_line = self._started
        self._paused_seconds = []
        self.restart_clock()
        self._is_open = True
        self._bar = None
        if self.stream.isatty():
            self._bar = _Bar(
                self,
                bar_format=_BAR if total else None,
                total=total,
                desc=description,
                unit=unit,
                initial=initial,
                file=self.stream,
                dynamic_ncols=True,
                smoothing=0.1,
            )

    def update(self, n: int = 1, **figures: Any) -> None:
        """Count `n` more units.

        Args:
            n: The number of units.
            figures: Numbers or texts (losses, learning rate ...) that are shown until newer ones replace
                them.
        """
        self.done += n
        self._figures.update(figures)
        if self._bar is not None:
            if figures:
                self._bar.set_postfix_str(_figures_text(self._figures), refresh=False)
            self._bar.update(n)
        elif self._clock() - self._last_line >= self.quiet_seconds:
            self._write_line()

    def restart_clock(self) -> None:
        """Count speed and remaining time from now on: what was before (a compilation) does not repeat."""
        self._counted_from = self.done
        self._counted_since = self._clock()
        self._paused_since = 0.0

    def pause(self, seconds: float) -> None:
        """Count a break that has just ended, such as an evaluation: it is no part of the units' speed."""
        self._paused_seconds.append(seconds)
        self._paused_since += seconds

    def units_per_second(self) -> float:
        seconds = self._clock() - self._counted_since - self._paused_since
        return (self.done - self._counted_from) / max(seconds, 1e-9)

    def left_text(self) -> str:
        """The remaining time; breaks of unknown length are named. "?" while there is no speed."""
        speed = self.units_per_second()
        if speed <= 0:
            return "?"
        seconds = (self.total - self.done) / speed
        if not self.pauses_left:
            return tqdm.format_interval(seconds)
        if not self._paused_seconds:
            plural = "s" if self.pauses_left > 1 else ""
            return f"{tqdm.format_interval(seconds)} + {self.pauses_left} evaluation{plural}"
        mean = sum(self._paused_seconds) / len(self._paused_seconds)
        return tqdm.format_interval(seconds + self.pauses_left * mean)

    def close(self) -> None:
        """End the display; its last state stays visible. A second call does nothing."""
        if not self._is_open:
            return
        if self._bar is not None:
            self._bar.close()
        else:
            self._write_line()
        self._bar = None
        self._is_open = False

    def write(self, text: str, stream: Optional[TextIO] = None) -> None:
        """Print a line to a stream, the bar's own by default, above the bar if there is one."""
        stream = self.stream if stream is None else stream
        if self._bar is not None:
            self._bar.write(text, file=stream)
        else:
            print(text, file=stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _write_line(self) -> None:
        self._last_line = self._clock()
        seconds = self._last_line - self._started
        units_per_second = self.units_per_second()
        if self.total:
            parts = [f"{self.done}/{self.total} {self.unit}s ({100 * self.done // self.total}%)"]
        else:
            parts = [f"{self.done} {self.unit}s"]
        parts.append(f"{tqdm.format_interval(seconds)} gone")
        if self.total and self.done < self.total and units_per_second > 0:
            parts.append(f"{self.left_text()} left")
        if units_per_second >= 0.1 or units_per_second == 0:
            parts.append(f"{units_per_second:.2f} {self.unit}/s")
        else:
            parts.append(f"{1 / units_per_second:.1f} s/{self.unit}")
        if self._figures:
            parts.append(_figures_text(self._figures))
        print(f"{self.description}: " + ", ".join(parts), file=self.stream, flush=True)


class _Bar(tqdm):
    """A tqdm bar that shows `Progress.left_text`, as tqdm's own estimate counts breaks as steps."""

    def __init__(self, progress: Progress, **keywords):
        self.progress = progress
        super().__init__(**keywords)

    @property
    def format_dict(self) -> Dict[str, Any]:
        return {**super().format_dict, "seconds_left": self.progress.left_text() if self.total else "?"}


def _figures_text(figures: Dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )
