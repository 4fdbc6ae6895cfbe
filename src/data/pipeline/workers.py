"""Processes that prepare training examples and write them straight into memory shared with the trainer.

The memory is an anonymous file: no limit of /dev/shm applies, and nothing is left behind. Tasks and answers
are small messages. A worker that dies, fails or hangs ends the iteration with an error. Workers end when the
trainer does.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import signal
import subprocess
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Dict, Hashable, List, NamedTuple, NoReturn, Optional, Tuple, Type, Union

import cv2

from ...errors import UserError, WorkerError
from ..mindrecord.shard_reader import ShardReader
from ..processes import how_it_ended, next_task, start_process
from .shared_batches import anonymous_file, batch_buffers, batch_bytes
from .training_example import ArrayLayout, ExampleSettings, batch_layout, fill_example

# How long to wait for an answer before the workers' processor time is looked at. Workers hang if it does not
# change for as long again.
HANG_SECONDS = 20.0


class WorkerSetup(NamedTuple):
    """The first message to a worker.

    Attributes:
        settings: How examples are made.
        folder: The folder of the shards.
        has_masks: Whether the data has masks.
        layout: The arrays of a batch (`batch_layout`).
        buffer_count: How many batches the shared memory holds.
        memory_size: Bytes of the shared memory.
        trainer: The process id of the trainer.
    """

    settings: ExampleSettings
    folder: str
    has_masks: bool
    layout: Dict[str, ArrayLayout]
    buffer_count: int
    memory_size: int
    trainer: int


class ExampleTask(NamedTuple):
    """An example that a worker has to make.

    Attributes:
        ticket: What the caller knows the example by.
        buffer: The index of the batch buffer that it is written to.
        position: Its position in the batch.
        epoch: The epoch, from 0.
        row: The row of the shards.
    """

    ticket: Hashable
    buffer: int
    position: int
    epoch: int
    row: int


class TaskResult(NamedTuple):
    """A worker's answer to an `ExampleTask`.

    Attributes:
        ticket: The task's.
        error_type: The error to raise; None if the example was made.
        error_text: Its text.
    """

    ticket: Hashable
    error_type: Optional[Type[Exception]] = None
    error_text: str = ""


class DataWorkers:
    """Processes that make examples, and the batch buffers in shared memory that they fill.

    A context manager. It can be used for any number of epochs of a conversion.

        with DataWorkers(settings, batch_size, count, folder, has_masks) as workers:
            # any number of times
            workers.submit(ticket, buffer, position, epoch, row)
            # the ticket of an example that is done, in any order
            ticket = workers.collect()
            workers.buffers[buffer]["image"][position]

    Args:
        settings: How examples are made.
        batch_size: Pictures of a batch.
        count: The number of processes.
        folder: The folder of the shards.
        has_masks: Whether masks are made. Without, all masks are 255.

    Attributes:
        buffers: Batches of arrays, each as `batch_layout` says.
    """

    def __init__(
        self,
        settings: ExampleSettings,
        batch_size: int,
        count: int,
        folder: Union[str, Path],
        has_masks: bool,
    ):
        layout = batch_layout(settings, batch_size)
        # Enough for two examples a worker, of which one is made and one waits, and for a batch that is handed
        # out meanwhile.
        buffer_count = max(3, -(-2 * count // batch_size) + 1)
        memory_size = buffer_count * batch_bytes(layout)
        self._processes: List[subprocess.Popen] = []
        self._connections: List[Connection] = []
        self._next_worker = 0
        # For each worker the rows of its tasks, by ticket, oldest first.
        self._pending = [collections.OrderedDict() for _ in range(count)]
        setup = WorkerSetup(settings, str(folder), has_masks, layout, buffer_count, memory_size, os.getpid())
        with anonymous_file() as file:
            os.truncate(file.fileno(), memory_size)
            self._memory = mmap.mmap(file.fileno(), memory_size)
            self.buffers = batch_buffers(self._memory, layout, buffer_count)
            for worker in range(count):
                process, connection = start_process(__name__, "work", (file.fileno(),))
                self._processes.append(process)
                self._connections.append(connection)
                self._send(worker, setup)

    def submit(self, ticket: Hashable, buffer: int, position: int, epoch: int, row: int) -> None:
        """Have one worker make an example.

        Args:
            ticket: What `collect` returns when the example is done.
            buffer: The index of the batch buffer that it is written to.
            position: Its position in the batch.
            epoch: The epoch, from 0.
            row: The row of the shards.

        Raises:
            WorkerError: The worker is dead.
        """
        worker = self._next_worker
        self._next_worker = (worker + 1) % len(self._connections)
        self._pending[worker][ticket] = row
        self._send(worker, ExampleTask(ticket, buffer, position, epoch, row))

    def collect(self) -> Hashable:
        """Wait for an example.

        Returns:
            The ticket of an example that is done.

        Raises:
            DataError: The example's picture or shard cannot be read.
            WorkerError: A worker is dead or hangs.
        """
        worker = self._connections.index(self._wait_for_answer())
        try:
            result = self._connections[worker].recv()
        except (EOFError, OSError):
            self._raise_died(worker)
        del self._pending[worker][result.ticket]
        if result.error_type is not None:
            raise result.error_type(result.error_text)
        return result.ticket

    def _wait_for_answer(self) -> Connection:
        """The connection of a worker that has answered, or that has ended."""
        ready = wait(self._connections, HANG_SECONDS)
        ticks = None
        while not ready:
            # A worker that is only slow, as on a crowded machine, uses processor time.
            ticks_before = ticks
            ticks = self._processor_ticks()
            if ticks == ticks_before:
                rows = [next(iter(tasks.values())) for tasks in self._pending if tasks]
                raise WorkerError(
                    f"data workers did nothing for {HANG_SECONDS:.0f} s (is the disk with the shards there?)",
                    rows,
                )
            ready = wait(self._connections, HANG_SECONDS)
        return ready[0]

    def _processor_ticks(self) -> int:
        """The processor time of the workers that have tasks, in the system's ticks.

        Where it cannot be read, it counts as 0.
        """
        ticks = 0
        for process, tasks in zip(self._processes, self._pending):
            if not tasks:
                continue
            with contextlib.suppress(OSError):
                # After the name in brackets, the 12th and 13th fields are user and system time (proc(5)).
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks

    def drain(self) -> None:
        """Wait for all examples that were submitted, and forget them.

        Raises:
            DataError, WorkerError: As `collect`.
        """
        while any(self._pending):
            self.collect()

    def _send(self, worker: int, message: Tuple) -> None:
        try:
            self._connections[worker].send(message)
        except OSError:
            self._raise_died(worker)

    def _raise_died(self, worker: int) -> NoReturn:
        raise WorkerError(
            f"data worker {worker} {how_it_ended(self._processes[worker])} (if the system killed it "
            f"for want of memory, lower num_parallel_workers)",
            list(self._pending[worker].values())[:1],
        )

    def close(self) -> None:
        """End the processes and free the memory. Safe to call twice."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            # Nothing is lost, and a stopped process would not react to anything else.
            process.kill()
        for process in self._processes:
            process.wait()
        self._connections = []
        self._processes = []
        self.buffers = []

    def __enter__(self) -> DataWorkers:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def work(connection_handle: int, memory_handle: int) -> None:
    """What a worker process does: make examples until the connection is closed or the trainer is gone.

    Args:
        connection_handle: The handle of this process's end of the connection.
        memory_handle: The handle of the shared memory's file.
    """
    cv2.setNumThreads(0)
    # The trainer handles Ctrl-C, and then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(connection_handle)
    setup = next_task(connection, os.getppid())
    if setup is None:
        return
    memory = mmap.mmap(memory_handle, setup.memory_size)
    buffers = batch_buffers(memory, setup.layout, setup.buffer_count)
    reader = None
    while True:
        task = next_task(connection, setup.trainer)
        if task is None:
            return
        result = TaskResult(task.ticket)
        try:
            reader = reader or ShardReader(setup.folder)
            arrays = buffers[task.buffer]
            fill_example(setup.settings, reader, task.epoch, task.row, setup.has_masks, arrays, task.position)
        except UserError as error:
            result = TaskResult(task.ticket, type(error), str(error))
        # Any other error is raised in the trainer.
        except Exception:
            text = f"in a data worker, at row {task.row} of the shards:\n{traceback.format_exc()}"
            result = TaskResult(task.ticket, RuntimeError, text)
        try:
            connection.send(result)
        except OSError:
            # The trainer is gone.
            return
