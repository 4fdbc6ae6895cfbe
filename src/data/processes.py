"""Fresh Python processes that work for this one, and what became of them.

Not forks: a fork of a process in which MindSpore's threads run may hang. They load neither MindSpore nor the
main script, and so start in half a second.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = (
    "import importlib, sys; sys.path = [sys.argv[1], *filter(None, sys.path)]; "
    "getattr(importlib.import_module(sys.argv[2]), sys.argv[3])(*map(int, sys.argv[4:]))"
)


def start_process(module, function, handles=()):
    """(Popen, Connection) of a new process that calls module.function(connection handle, *handles).

    handles: numbers of open files, which the process gets under the same numbers. Each process computes with
        one thread.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ours, theirs = socket.socketpair()
    with theirs:
        shared = [theirs.fileno(), *handles]
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(_ROOT), module, function, *map(str, shared)],
            pass_fds=shared,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    return process, Connection(ours.detach())


def how_it_ended(process):
    """In words how a process that closed its connection ended: 'ended by SIGKILL', 'ended with code 1'."""
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        return "stopped answering"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def next_task(connection, parent):
    """The next message of a connection, or None when it was closed or the process `parent` is gone.

    A process that the parent forked may keep the connection open after the parent's death.
    """
    try:
        while not connection.poll(2):
            if os.getppid() != parent:
                return None
        return connection.recv()
    except (EOFError, OSError):
        return None
