"""The training batches of one epoch, made by worker processes a few steps ahead."""

from __future__ import annotations

import collections
import contextlib
from typing import Callable, ContextManager, Dict, Iterator, NoReturn, Optional

import numpy as np

from ...errors import WorkerError
from .workers import DataWorkers


class TrainingBatches:
    """An epoch's training batches.

    Iterating gives dicts of arrays as `training_example.batch_layout` says, which are the caller's to keep.
    len() is the number of steps.

    Args:
        rows: As of the attribute.
        image_ids: int64, the image id of each row of the shards, for messages.
        epoch: The epoch, from 0.
        has_masks: As of the attribute.
        start_workers: Starts workers; those are ended after the iteration.
        workers: Workers to use instead, and to leave running.

    Attributes:
        rows: int64 [steps, batch_size], the rows of the shards that each step takes.
        has_masks: False for data with boxes alone, whose masks are all 255.
    """

    def __init__(
        self,
        rows: np.ndarray,
        image_ids: np.ndarray,
        epoch: int,
        has_masks: bool,
        start_workers: Callable[[], DataWorkers],
        workers: Optional[DataWorkers] = None,
    ):
        self.rows = rows
        self.has_masks = has_masks
        self._image_ids = image_ids
        self._epoch = epoch
        self._start_workers = start_workers
        self._workers = workers

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Dict[str, np.ndarray]]:
        with self._running_workers() as workers:
            try:
                # An earlier iteration that was not finished may have left examples behind.
                workers.drain()
                yield from self._batches(workers)
            except WorkerError as error:
                self._raise_with_pictures(error)

    def _running_workers(self) -> ContextManager[DataWorkers]:
        """The given workers, which are left running, or new ones."""
        if self._workers is not None:
            return contextlib.nullcontext(self._workers)
        return self._start_workers()

    def _raise_with_pictures(self, error: WorkerError) -> NoReturn:
        """Raise a worker's error again, with the pictures that it was to read."""
        pictures = [int(self._image_ids[row]) for row in error.rows]
        location = f", at pictures {pictures}" if pictures else ", when it had nothing to do"
        raise WorkerError(f"{error}{location}", error.rows) from None

    def _batches(self, workers: DataWorkers) -> Iterator[Dict[str, np.ndarray]]:
        """The batches of all steps, made in the workers' buffers as many steps ahead as there are buffers."""
        buffers = len(workers.buffers)
        # How many examples of a step are not done yet.
        missing = collections.Counter()

        def submit(step: int) -> None:
            if step < len(self.rows):
                missing[step] = len(self.rows[step])
                for position, row in enumerate(self.rows[step].tolist()):
                    workers.submit((step, position), step % buffers, position, self._epoch, row)

        for step in range(buffers):
            submit(step)
        for step in range(len(self.rows)):
            while missing[step]:
                done, _ = workers.collect()
                missing[done] -= 1
            del missing[step]
            # A copy, so that the buffer can be filled again while the caller works.
            batch = {name: array.copy() for name, array in workers.buffers[step % buffers].items()}
            submit(step + buffers)
            yield batch
