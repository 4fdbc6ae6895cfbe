"""Processes that prepare training examples and write them straight into memory that they share with the
trainer.

Memory is an anonymous file (no limit of /dev/shm applies, nothing is left behind), tasks and answers are
small messages. A worker that dies, fails or hangs ends the iteration with an error; workers end when the
trainer does.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import signal
import tempfile
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError, WorkerError
from ..mindrecord.shard_reader import ShardReader
from ..processes import how_it_ended, next_task, start_process
from .training_example import batch_layout, fill_example

HANG_SECONDS = 20.0  # without an answer while one is due; twice this without any work done is hanging


def _arrays(buffer, layout, slots):
    """A list of `slots` dicts of arrays that lie one after another in a buffer."""
    at, made = 0, []
    for _ in range(slots):
        made.append({})
        for name, (kind, shape) in layout.items():
            count = int(np.prod(shape, dtype=np.int64))
            made[-1][name] = np.frombuffer(buffer, kind, count, at).reshape(shape)
            at += _aligned(count * kind.itemsize)
    return made


def _aligned(size):
    return -(-size // 64) * 64


class DataWorkers:
    """`num_parallel_workers` processes with batches of shared memory.

    A context manager, for one epoch or many of a conversion.

    has_masks: whether to cut out masks; without, they are all 255. A ticket is any hashable that the caller
        tells an example by.

        with DataWorkers(config, folder, has_masks) as workers:
            workers.submit(ticket, slot, position, epoch, row)      # any number
            ticket = workers.collect()                              # one that is done, in any order
            workers.slots[slot]["image"][position]
    """

    def __init__(self, config, folder, has_masks):
        layout = batch_layout(config, config.batch_size)
        count = config.num_parallel_workers
        # two examples a worker under way or waiting, and a whole batch to hand out meanwhile
        slots = max(3, -(-2 * count // config.batch_size) + 1)
        size = slots * sum(
            _aligned(int(np.prod(shape, dtype=np.int64)) * kind.itemsize) for kind, shape in layout.values()
        )
        self._processes, self._connections, self._next = [], [], 0
        self._under_way = [collections.OrderedDict() for _ in range(count)]
        handle = os.memfd_create("batches") if hasattr(os, "memfd_create") else None
        file = os.fdopen(handle, "r+b") if handle is not None else tempfile.TemporaryFile()
        with file:
            os.truncate(file.fileno(), size)
            self._memory = mmap.mmap(file.fileno(), size)
            self.slots = _arrays(self._memory, layout, slots)
            for _ in range(count):
                process, connection = start_process(__name__, "work", (file.fileno(),))
                self._processes.append(process)
                self._connections.append(connection)
                self._send(
                    len(self._connections) - 1,
                    (config, str(folder), has_masks, layout, slots, size, os.getpid()),
                )

    def submit(self, ticket, slot, position, epoch, row):
        """Have one worker write the row's example into position `position` of slot `slot`.

        `ticket` comes back from `collect`.
        """
        worker = self._next
        self._next = (worker + 1) % len(self._connections)
        self._under_way[worker][ticket] = row
        self._send(worker, (ticket, slot, position, epoch, row))

    def collect(self):
        """The ticket of an example that is done.

        Raises DataError, the example's own, and WorkerError for a dead or hanging worker.
        """
        ready, done = wait(self._connections, HANG_SECONDS), None
        while not ready:
            before, done = done, self._work_done()  # slow, as on a crowded machine, is not hanging
            if done == before:
                stuck = [next(iter(tasks.values())) for tasks in self._under_way if tasks]
                raise WorkerError(
                    f"data workers did nothing for {HANG_SECONDS:.0f} s (is the disk with the shards there?)",
                    stuck,
                )
            ready = wait(self._connections, HANG_SECONDS)
        worker = self._connections.index(ready[0])
        try:
            ticket, problem = self._connections[worker].recv()
        except (EOFError, OSError):
            self._died(worker)
        del self._under_way[worker][ticket]
        if problem is not None:
            kind, text = problem
            raise kind(text)
        return ticket

    def _work_done(self):
        """The processor time of the workers that owe an answer, in the system's ticks.

        A constant where it cannot be read.
        """
        ticks = 0
        for process, tasks in zip(self._processes, self._under_way):
            with contextlib.suppress(OSError):
                if tasks:
                    ticks += sum(
                        map(
                            int,
                            Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13],
                        )
                    )
        return ticks

    def drain(self):
        """Wait for everything under way and forget it."""
        while any(self._under_way):
            self.collect()

    def _send(self, worker, message):
        try:
            self._connections[worker].send(message)
        except OSError:
            self._died(worker)

    def _died(self, worker):
        raise WorkerError(
            f"data worker {worker} {how_it_ended(self._processes[worker])} (if the system killed it "
            f"for want of memory, "
            "lower num_parallel_workers)",
            list(self._under_way[worker].values())[:1],
        )

    def close(self):
        """End the processes and free the memory. Safe to call twice."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.kill()  # nothing of theirs is worth keeping, and a stopped one hears nothing else
        for process in self._processes:
            process.wait()
        self._connections, self._processes, self.slots = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def work(connection_handle, memory_handle):
    """What a worker process does: take tasks from the connection until it closes or the trainer is gone."""
    cv2.setNumThreads(0)
    # the trainer handles Ctrl-C, and then closes the connection
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(connection_handle)
    first = next_task(connection, os.getppid())
    if first is None:
        return
    config, folder, has_masks, layout, slots, size, parent = first
    batches = _arrays(mmap.mmap(memory_handle, size), layout, slots)
    reader = None
    while True:
        task = next_task(connection, parent)
        if task is None:
            return
        ticket, slot, position, epoch, row = task
        problem = None
        try:
            reader = reader or ShardReader(folder)
            fill_example(config, reader, epoch, row, has_masks, batches[slot], position)
        except UserError as error:
            problem = type(error), str(error)
        except Exception:  # handed to the trainer, which raises it
            problem = RuntimeError, f"in a data worker, at row {row} of the shards:\n{traceback.format_exc()}"
        try:
            connection.send((ticket, problem))
        except OSError:  # the trainer is gone
            return
