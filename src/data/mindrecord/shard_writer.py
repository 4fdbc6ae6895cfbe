"""Writing the shards of a conversion: one at a time here, or several at once in processes of their own.

A finished shard leaves three files: the shard, its rows of the index, and last a mark with its checksum. What
has no mark, or does not fit it, was cut short and is written again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, List, Tuple

import numpy as np

from ...errors import DataError, UserError
from ..images.crop import crop_rle
from ..images.decode import check_header
from ..processes import how_it_ended, next_task, start_process
from .file_format import LARGEST_PAGE, write_mindrecord
from .manifest import file_crc
from .row_format import ROW_EXTRA, ROW_TYPE, StoredObjects, pack_objects

_GROUP = 32  # rows between two signs of progress


@dataclass
class ShardTask:
    """One shard to write. rows: (Record, indices of its objects to keep, bytes of its picture file) each."""

    path: str
    number: int
    rows: List[Tuple[Any, np.ndarray, int]]
    has_masks: bool


def write_shards(tasks, processes, lock_handle=None):
    """Write ShardTasks; a generator that gives how many more rows are written, from time to time.

    tasks: an iterator, of which no more is taken than is worked on; processes: how many work at once, 1
        meaning this one.
    lock_handle: an open file that the processes hold too, so that its lock is free only when none of them is
        left to write. Raises DataError naming the picture that cannot be stored, the shard that cannot be
        written, or a process that died.
    """
    if processes == 1:
        for task in tasks:
            yield from write_shard(task)
        return
    started = [
        start_process(__name__, "work", () if lock_handle is None else (lock_handle,))
        for _ in range(processes)
    ]
    busy = {}  # connection -> (process, path of its shard)
    try:
        for process, connection in started:
            task = next(tasks, None)
            if task is not None:
                _send(process, connection, os.getpid())
                _send(process, connection, task)
                busy[connection] = process, task.path
        while busy:
            for connection in wait(list(busy)):
                process, path = busy[connection]
                try:
                    kind, value = connection.recv()
                except (EOFError, OSError):
                    raise DataError(
                        f"the process that wrote shard {path} {how_it_ended(process)}; if the system "
                        f"killed it for want of "
                        "memory, lower num_parallel_workers"
                    ) from None
                if kind == "rows":
                    yield value
                elif kind == "done":
                    task = next(tasks, None)
                    if task is None:
                        del busy[connection]
                    else:
                        _send(process, connection, task)
                        busy[connection] = process, task.path
                else:
                    raise kind(value)
    finally:
        for process, connection in started:
            connection.close()
            process.kill()
        for process, _ in started:
            process.wait()


def _send(process, connection, message):
    try:
        connection.send(message)
    except OSError:
        raise DataError(f"a process of the conversion {how_it_ended(process)}") from None


def work(connection_handle, *_):
    """A process's whole life: take tasks from the connection until it closes or the converter is gone."""
    from multiprocessing.connection import Connection

    # the converter handles Ctrl-C, and then ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(connection_handle)
    with contextlib.suppress(OSError):  # the converter is gone: stop at once, another may go on
        parent = next_task(connection, os.getppid())
        while True:
            task = next_task(connection, parent)
            if task is None:
                return
            try:
                for rows in write_shard(task):
                    connection.send(("rows", rows))
                connection.send(("done", None))
            except UserError as error:
                connection.send((type(error), str(error)))
            except OSError:
                raise
            except Exception:  # handed to the converter, which raises it
                connection.send((RuntimeError, f"while writing shard {task.path}:\n{traceback.format_exc()}"))


def write_shard(task):
    """Write one shard and its mark; a generator that gives how many more rows are written."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(_mark(task.path))
    annotations = [_pack(record, kept, task.has_masks) for record, kept, _ in task.rows]
    sizes = [len(annotation) + size for annotation, (_, _, size) in zip(annotations, task.rows)]
    for (record, _, _), size in zip(task.rows, sizes):
        if size + ROW_EXTRA > LARGEST_PAGE:
            raise DataError(
                f"picture {record.path}: over 256 MB, which MindRecord cannot hold; save it smaller"
            )
    index = np.zeros(len(task.rows), ROW_TYPE)
    index["shard"], index["size"] = task.number, np.array(sizes) + ROW_EXTRA
    for name, values in (
        ("image_id", [record.image_id for record, _, _ in task.rows]),
        ("height", [record.height for record, _, _ in task.rows]),
        ("width", [record.width for record, _, _ in task.rows]),
        ("objects", [len(kept) for _, kept, _ in task.rows]),
    ):
        index[name] = values
    rows = (
        (annotation, _checked_picture(record, size))
        for annotation, (record, _, size) in zip(annotations, task.rows)
    )
    try:
        written = write_mindrecord(task.path, sizes, index["image_id"].tolist(), rows)
        for row in range(len(task.rows)):
            index[row]["offset"], index[row]["crc"] = next(written)
            if (row + 1) % _GROUP == 0:
                yield _GROUP
        crc = next(written)
        np.save(f"{task.path}.rows.npy", index)
        mark = {"rows": len(index), "bytes": os.path.getsize(task.path), "crc": crc}
        with open(f"{_mark(task.path)}.new", "w", encoding="utf-8") as file:
            json.dump(mark, file)
        os.replace(f"{_mark(task.path)}.new", _mark(task.path))
    except OSError as error:
        raise DataError(f"cannot write shard {task.path}: {error.strerror or error}") from None
    yield len(index) % _GROUP


def finished_shard(path, verify=True):
    """(what the mark says: rows, bytes, crc; index rows) of a finished shard.

    None where it is not whole, or damaged.

    verify: read every byte, which finds damage; a shard that was written just now need not be read again.
    """
    try:
        with open(_mark(path), encoding="utf-8") as file:
            mark = json.load(file)
        index = np.load(f"{path}.rows.npy", allow_pickle=False)
        whole = (
            os.path.isfile(f"{path}.db")
            and len(index) == mark["rows"]
            and os.path.getsize(path) == mark["bytes"]
        )
        return (mark, index) if whole and (not verify or file_crc(path) == mark["crc"]) else None
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None


def forget_marks(paths):
    """Delete what only a conversion that is under way needs."""
    for path in paths:
        for file in (_mark(path), f"{path}.rows.npy"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(file)


def _mark(path):
    return f"{path}.done"


def _pack(record, kept, has_masks):
    segmentations = [None] * len(kept)
    if has_masks:
        segmentations = [record.segmentations[i] for i in kept]
        segmentations = [
            crop_rle(item, box) if isinstance(item, dict) else item
            for item, box in zip(segmentations, record.boxes[kept])
        ]
    return pack_objects(
        StoredObjects(
            record.path, record.height, record.width, record.boxes[kept], record.labels[kept], segmentations
        )
    )


def _checked_picture(record, size):
    name = f"{record.path} of image {record.image_id}"
    try:
        with open(record.path, "rb") as file:
            picture = file.read()
    except OSError as error:
        raise DataError(f"picture {name}: {error.strerror or error}") from None
    if len(picture) != size:
        raise DataError(
            f"picture {name}: changed while it was converted; start again when nothing writes to it"
        )
    check_header(picture, name, (record.height, record.width))
    return picture
