"""Writing the shards of a conversion one after the other in this process, or several at once in processes of
their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Iterator, List, NamedTuple, Optional, Type

from ...errors import DataError, UserError
from ..processes import how_it_ended, next_task, start_process
from .shard_writer import ShardTask, write_shard


class RowsWritten(NamedTuple):
    """A process's message: so many more rows are written."""

    count: int


class ShardDone(NamedTuple):
    """A process's message: its shard is finished."""


class ShardFailed(NamedTuple):
    """A process's message: its shard cannot be written.

    Attributes:
        error: the class of the error to raise.
        text: the error's message.
    """

    error: Type[Exception]
    text: str


@dataclass
class _Writer:
    """A process that writes shards.

    Attributes:
        process: the process.
        connection: carries tasks there and messages back.
        path: the shard that it writes.
    """

    process: subprocess.Popen
    connection: Connection
    path: str = ""

    def start(self, task: ShardTask) -> None:
        """Have it write a shard."""
        self.send(task)
        self.path = task.path

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise DataError(f"a process of the conversion {how_it_ended(self.process)}") from None

    def receive(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            raise DataError(
                f"the process that wrote shard {self.path} {how_it_ended(self.process)}; if the system "
                "killed it for want of memory, lower num_parallel_workers"
            ) from None


def write_shards(
    tasks: Iterator[ShardTask], processes: int, lock_handle: Optional[int] = None
) -> Iterator[int]:
    """Write shards; a generator that gives how many more rows are written, from time to time.

    Args:
        tasks: an iterator. A task is taken from it when a process is free for it.
        processes: how many work at once; 1 means this one alone.
        lock_handle: the number of an open file that the processes hold too, so that its lock is free only
            when all of them have ended.

    Raises:
        DataError: a picture cannot be stored, a shard cannot be written, or a process died.
    """
    if processes == 1:
        for task in tasks:
            yield from write_shard(task)
        return
    handles = () if lock_handle is None else (lock_handle,)
    writers = [_Writer(*start_process(__name__, "work", handles)) for _ in range(processes)]
    try:
        yield from _distribute(tasks, writers)
    finally:
        for writer in writers:
            writer.connection.close()
            writer.process.kill()
        for writer in writers:
            writer.process.wait()


def _distribute(tasks: Iterator[ShardTask], writers: List[_Writer]) -> Iterator[int]:
    """Give each writer a task, and another one whenever it has finished, until no task is left."""
    busy = {}
    for writer in writers:
        task = next(tasks, None)
        if task is not None:
            writer.send(os.getpid())
            writer.start(task)
            busy[writer.connection] = writer
    while busy:
        for connection in wait(list(busy)):
            writer = busy[connection]
            message = writer.receive()
            if isinstance(message, RowsWritten):
                yield message.count
            elif isinstance(message, ShardFailed):
                raise message.error(message.text)
            else:
                task = next(tasks, None)
                if task is None:
                    del busy[connection]
                else:
                    writer.start(task)


def work(connection_handle: int, *_: int) -> None:
    """What a process does: write shards until the connection closes or the converter is gone.

    Args:
        connection_handle: the number of the connection. Further numbers are of files to hold open.
    """
    # the converter handles Ctrl-C, and then ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(connection_handle)
    # An OSError means that the converter is gone. Stop at once: another one may convert already.
    with contextlib.suppress(OSError):
        parent = next_task(connection, os.getppid())
        while True:
            task = next_task(connection, parent)
            if task is None:
                return
            try:
                for count in write_shard(task):
                    connection.send(RowsWritten(count))
                connection.send(ShardDone())
            except UserError as error:
                connection.send(ShardFailed(type(error), str(error)))
            except OSError:
                raise
            except Exception:  # sent to the converter, which raises it
                text = f"while writing shard {task.path}:\n{traceback.format_exc()}"
                connection.send(ShardFailed(RuntimeError, text))
