"""The progress display: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, Optional, TextIO, Union

from tqdm import tqdm


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

    Attributes:
        done: Units that are done, `initial` included.
    """

    def __init__(
        self,
        total: Optional[int],
        description: str,
        unit: str = "step",
        initial: int = 0,
        stream: Optional[TextIO] = None,
        quiet_seconds: float = 60.0,
    ):
        self.total = total
        self.description = description
        self.unit = unit
        self.done = initial
        self.stream = sys.stderr if stream is None else stream
        self.quiet_seconds = quiet_seconds
        self._figures: Dict[str, Union[float, str]] = {}
        self._initial = initial
        self._started = time.monotonic()
        self._last_line = self._started
        self._is_open = True
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
        elif time.monotonic() - self._last_line >= self.quiet_seconds:
            self._write_line()

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

    def write(self, text: str) -> None:
        """Print a line to the stream, above the bar if there is one."""
        if self._bar is not None:
            self._bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _write_line(self) -> None:
        self._last_line = time.monotonic()
        seconds = self._last_line - self._started
        units_per_second = (self.done - self._initial) / max(seconds, 1e-9)
        if self.total:
            parts = [f"{self.done}/{self.total} {self.unit}s ({100 * self.done // self.total}%)"]
        else:
            parts = [f"{self.done} {self.unit}s"]
        parts.append(f"{tqdm.format_interval(seconds)} gone")
        if self.total and self.done < self.total and units_per_second > 0:
            parts.append(f"{tqdm.format_interval((self.total - self.done) / units_per_second)} left")
        if units_per_second >= 0.1 or units_per_second == 0:
            parts.append(f"{units_per_second:.2f} {self.unit}/s")
        else:
            parts.append(f"{1 / units_per_second:.1f} s/{self.unit}")
        if self._figures:
            parts.append(_figures_text(self._figures))
        print(f"{self.description}: " + ", ".join(parts), file=self.stream, flush=True)


def _figures_text(figures: Dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )
