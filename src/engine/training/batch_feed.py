"""What the steps of an epoch take, the next one's taken while a card works on the current one's."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from mindspore import Tensor

# A result that is there is taken to be read in less time. No card was there to measure it.
READ_SECONDS = 0.001


class StepInputs(NamedTuple):
    """What a step takes, besides the learning rate.

    Attributes:
        batch: The batch's arrays (`training_example.batch_layout`).
        tensors: Those that the step cell takes, in its order.
    """

    batch: Dict[str, np.ndarray]
    tensors: Tuple[Tensor, ...]


class BatchFeed:
    """The batches of an epoch, one at a time.

    Args:
        batches: The batches' arrays. They are the caller's to keep.
        names: The arrays that the step cell takes, in its order.
    """

    def __init__(self, batches: Iterable[Dict[str, np.ndarray]], names: Sequence[str]):
        self._batches = iter(batches)
        self._names = names
        # Holds a batch or an error; nothing runs in another thread.
        self._prepared: Optional[Future] = None
        self._wait_seconds = 0.0
        # Of these, those of the batch in `_prepared`.
        self._prepared_seconds = 0.0

    def prepare(self) -> None:
        """Take the next batch now. `take` gives it; an error is raised there, not here."""
        self._prepared = Future()
        waited = self._wait_seconds
        try:
            self._prepared.set_result(self._take())
        except Exception as error:
            self._prepared.set_exception(error)
        self._prepared_seconds = self._wait_seconds - waited

    def read(self, result: Tensor) -> np.ndarray:
        """A step's result. If the card still works on it, the wait of `prepare` before cost no time."""
        started = time.perf_counter()
        values = result.asnumpy()
        if time.perf_counter() - started > READ_SECONDS:
            self._wait_seconds -= self._prepared_seconds
        self._prepared_seconds = 0.0
        return values

    def take(self) -> Optional[StepInputs]:
        """The next batch; None after the last one.

        Raises:
            DataError, WorkerError: As of the batches.
        """
        prepared = self._prepared
        self._prepared = None
        return self._take() if prepared is None else prepared.result()

    def waited(self) -> float:
        """Wall seconds spent waiting for batches since the last call, without those that cost no time."""
        seconds = self._wait_seconds
        self._wait_seconds = 0.0
        return seconds

    def _take(self) -> Optional[StepInputs]:
        started = time.perf_counter()
        batch = next(self._batches, None)
        self._wait_seconds += time.perf_counter() - started
        if batch is None:
            return None
        return StepInputs(batch, tuple(Tensor(batch[name]) for name in self._names))
