"""How an entry point runs: errors as one line, exit codes, and Ctrl-C. Standard library only, so that nothing has to be installed."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading

from ..errors import UserError


def run_main(main):
    """Run an entry point's `main()`; a UserError ends the process with its line on stderr and its exit code, 2 for what the user can mend."""
    take_interrupts()
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(error.code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        sys.exit(130)


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
        signal.pthread_kill(
            threading.main_thread().ident, signal.SIGURG
        )  # wakes it where it waits for the system
