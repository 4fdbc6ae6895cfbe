"""SIGTERM and Ctrl-C while training: the first one is noted, so that the run ends after its current step."""

from __future__ import annotations

import signal
import threading


class StopSignals:
    """Inside it the first SIGTERM or SIGINT is only noted; a second one ends the process at once.

    Attributes:
        received: The number of the signal that came, 0 if none did.
    """

    def __init__(self):
        self.received = 0
        self._previous_handlers = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                # A shell sets SIG_IGN for what runs in the background: it stays so.
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous_handlers[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.received = number
        for other in self._previous_handlers:
            # The system's own handler also ends a process that is inside MindSpore's code.
            self._set(other, signal.SIG_DFL)

    def __exit__(self, *_):
        for number, handler in self._previous_handlers.items():
            self._set(number, handler)

    def _set(self, number, handler):
        # A rank that was told of another one's failure ignores SIGTERM until its end (`rank_group`).
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
