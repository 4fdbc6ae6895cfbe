"""Python processes that do work for this one, how they get their tasks, and how they ended.

They are started fresh and not forked: a fork of a process in which MindSpore's threads run may hang. They
load neither MindSpore nor the main script, and so start in half a second.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Optional, Sequence, Tuple

# The folder that the package is imported from.
_ROOT = Path(__file__).resolve().parents[2]
# Arguments: the root, the module, the function, the function's arguments.
_PROGRAM = (
    "import importlib, sys; sys.path = [sys.argv[1], *filter(None, sys.path)]; "
    "getattr(importlib.import_module(sys.argv[2]), sys.argv[3])(*map(int, sys.argv[4:]))"
)
# Each process computes with one thread.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_EXIT_SECONDS = 5
# How often a waiting process checks that its parent is there.
_POLL_SECONDS = 2


def start_process(
    module: str, function: str, handles: Sequence[int] = ()
) -> Tuple[subprocess.Popen, Connection]:
    """Start a Python process that calls a function.

    Args:
        module: The module of the function, by its full name.
        function: The function's name. It is called with the handle of its end of the connection (see
            `multiprocessing.connection.Connection`), and then with `handles`.
        handles: Numbers of open files, which the process gets under the same numbers.

    Returns:
        The process, and this end of the connection.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        shared = [theirs.fileno(), *handles]
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(_ROOT), module, function, *map(str, shared)],
            pass_fds=shared,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
        )
    return process, Connection(ours.detach())


def how_it_ended(process: subprocess.Popen) -> str:
    """How a process that closed its connection ended, for messages.

    Returns:
        For example 'ended by SIGKILL', 'ended with code 1', or 'stopped answering' if it still runs.
    """
    try:
        code = process.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        return "stopped answering"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def next_task(connection: Connection, parent: int) -> Optional[Any]:
    """Wait for the next message of a connection.

    Args:
        connection: The process's end of its connection.
        parent: The id of the process that sends. It is watched, because a process that it forked may keep
            the connection open after its death.

    Returns:
        The message, or None if the connection was closed or the parent is gone.
    """
    try:
        while not connection.poll(_POLL_SECONDS):
            if os.getppid() != parent:
                return None
        return connection.recv()
    except (EOFError, OSError):
        return None
