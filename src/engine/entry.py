"""How an entry point runs: errors as one line, exit codes, and Ctrl-C. Standard library only."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from typing import Callable, NoReturn, Optional, Sequence

from ..environment import cache_problem, device_id_problem
from ..errors import UserError, one_line
from ..interpreter import MODULES, interpreter_problem, unloadable_module
from ..log import configure_logging
from .standard_streams import protect_standard_streams


def run_main(main: Callable[[], Optional[int]], modules: Sequence[str] = MODULES) -> NoReturn:
    """Run an entry point's `main()` and end the process with the exit code that it returns.

    A `UserError` is printed as one line on stderr; the process ends with its code, which is 2 for what the
    user can correct, such as packages that are not installed. After Ctrl-C it ends with 130. A reader of the
    output that ends early changes nothing.

    Args:
        main: Imports what is not in the standard library itself.
        modules: The modules of requirements.txt that have to be installed before it starts. None for a script
            of the standard library alone.
    """
    protect_standard_streams()
    configure_logging()
    problem = None
    if modules:
        problem = interpreter_problem(modules) or cache_problem() or device_id_problem()
    if problem is not None:
        _end_with_error(problem)
    handle_interrupts()
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except UserError as error:
        _end_with_error(error, error.code)
    except ImportError as error:
        problem = unloadable_module(error)
        if problem is None:
            raise
        _end_with_error(problem)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        sys.exit(130)


def _end_with_error(problem: object, code: int = 2) -> NoReturn:
    print(f"error: {one_line(problem)}", file=sys.stderr, flush=True)
    sys.exit(code)


def handle_interrupts() -> None:
    """From now on SIGINT reaches Python's handler, whatever the libraries of this process do.

    MindSpore's threads, and every run of a graph, replace Python's handler by one that sends SIGTERM, so that
    Ctrl-C would look like SIGTERM. Therefore all threads that start from here on block SIGINT, and one of
    them waits for it. Where SIGINT was ignored (a shell's background job) it stays ignored. Call it once a
    process, before MindSpore is loaded.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGURG, lambda *_: None)
        threading.Thread(target=_forward_interrupts, name="interrupts", daemon=True).start()


def _forward_interrupts() -> None:
    main_thread = threading.main_thread().ident
    while True:
        signal.sigwait({signal.SIGINT})
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            os._exit(130)
        _thread.interrupt_main()
        signal.pthread_kill(main_thread, signal.SIGURG)  # wakes it up where it waits for the system
