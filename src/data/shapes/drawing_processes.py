"""Drawing the pictures of a data set in several processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import cv2

from ...errors import DataError
from ..processes import how_it_ended, next_task, start_process
from .picture import draw_picture, object_annotation

# Fewer pictures are drawn sooner than a process has started.
_LEAST_PICTURES_PER_PROCESS = 200


class PictureTask(NamedTuple):
    """A picture to draw.

    Attributes:
        path: its file, which is written.
        kind: as of `draw_picture`.
        size: (width, height) in pixels.
        seed: of its random numbers.
        count: as of `draw_picture`.
    """

    path: str
    kind: str
    size: Tuple[int, int]
    seed: Tuple[int, ...]
    count: Tuple[int, int]


# What is annotated of a picture: an entry an object, without ids.
Annotations = List[Dict[str, Any]]


def draw_files(tasks: Sequence[PictureTask]) -> Iterator[Annotations]:
    """Write the pictures; gives what is annotated of each, in the order of the tasks.

    Raises:
        OSError: a picture cannot be written.
        DataError: a process died.
    """
    processes = min(len(os.sched_getaffinity(0)), len(tasks) // _LEAST_PICTURES_PER_PROCESS)
    if processes < 2:
        for task in tasks:
            yield draw_file(task)
        return
    workers = [start_process(__name__, "work") for _ in range(processes)]
    try:
        for number, (process, connection) in enumerate(workers):
            with _told_if_it_died(process):
                connection.send((os.getpid(), tasks[number::processes]))
        for index in range(len(tasks)):
            process, connection = workers[index % processes]
            with _told_if_it_died(process):
                answer = connection.recv()
            if isinstance(answer, OSError):
                raise answer
            yield answer
    finally:
        for process, connection in workers:
            connection.close()
            process.kill()
        for process, _ in workers:
            process.wait()


@contextlib.contextmanager
def _told_if_it_died(process: subprocess.Popen) -> Iterator[None]:
    """A connection that breaks is a DataError that says how its process ended."""
    try:
        yield
    except (EOFError, OSError):
        raise DataError(f"a process that drew pictures {how_it_ended(process)}") from None


def draw_file(task: PictureTask) -> Annotations:
    """Write a picture; returns what is annotated of it."""
    drawn = draw_picture(task.size, task.kind, task.seed, task.count)
    # OpenCV writes BGR
    if not cv2.imwrite(task.path, drawn.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93]):
        raise OSError(f"{Path(task.path)} could not be written")
    return [object_annotation(item) for item in drawn.objects]


def work(connection_handle: int) -> None:
    """What a process does: draw the pictures that it is sent, and send what is annotated of each."""
    # the process that started this one handles Ctrl-C, and then ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    connection = Connection(connection_handle)
    message = next_task(connection, os.getppid())
    if message is None:
        return
    parent, tasks = message
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waits for the pictures
        for task in tasks:
            if os.getppid() != parent:
                return  # another process may draw into this folder already
            try:
                answer = draw_file(task)
            except OSError as error:
                answer = error
            connection.send(answer)
