"""SIGTERM and Ctrl-C as a wish that is granted between two steps."""

from __future__ import annotations

import signal
import threading


class StopSignals:
    """Within it the first SIGTERM or SIGINT is only noted, in `received` (0: none came); a second one ends the process at once."""

    def __init__(self):
        self.received, self._before = 0, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if (
                    signal.getsignal(number) != signal.SIG_IGN
                ):  # as a shell sets it for what runs in the background
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.received = number
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)  # the system's own, which works within MindSpore too

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
