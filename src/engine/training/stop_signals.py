"""SIGTERM and Ctrl-C as a wish that is granted between two steps."""
from __future__ import annotations

import _thread
import os
import signal
import threading


def take_interrupts():
    """From now on SIGINT reaches Python's handler, whatever the libraries of this process do. Before MindSpore is loaded, once a process.

    MindSpore's threads, and every run of a graph, put a handler of their own in place of Python's, which sends SIGTERM: a Ctrl-C would look like
    one. So SIGINT is blocked in all threads that start from here on, and one of them waits for it. Where it was ignored (a shell's background
    job) it stays so.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGURG, lambda *_: None)
        threading.Thread(target=_pass_on, name="interrupts", daemon=True).start()


def _pass_on():
    while True:
        signal.sigwait({signal.SIGINT})
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            os._exit(130)
        _thread.interrupt_main()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGURG)           # wakes it where it waits for the system


class StopSignals:
    """Within it the first SIGTERM or SIGINT is only noted, in `received` (0: none came); a second one ends the process at once."""

    def __init__(self):
        self.received, self._before = 0, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) != signal.SIG_IGN:          # as a shell sets it for what runs in the background
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.received = number
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)                         # the system's own, which works within MindSpore too

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
