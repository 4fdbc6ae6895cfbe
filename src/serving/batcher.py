"""Batches of whatever waits, run by a network in a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import Callable, List, NamedTuple, Optional

import numpy as np

from ..predictor import Predictor


class _Job(NamedTuple):
    picture: np.ndarray
    answer: Future


class Batcher:
    """Opens a predictor and runs it, both in one thread. A MindSpore network wants that.

    A picture starts a batch. It is run when it is full, or when its first picture has waited long enough.
    While the network runs, the next batch gathers.

    Args:
        open_predictor: Makes the predictor.
        max_batch: The largest number of pictures in a batch.
        wait: How long a picture waits for others, in seconds.
        observe: Called with the number of pictures and the seconds of each batch.
    """

    def __init__(
        self,
        open_predictor: Callable[[], Predictor],
        max_batch: int,
        wait: float,
        observe: Callable[[int, float], None],
    ):
        self._open_predictor = open_predictor
        self._max_batch = max_batch
        self._wait = wait
        self._observe = observe
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self._opened: Future = Future()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def start(self) -> Future:
        """Open the predictor; the future holds it when it has answered a first picture, or the error."""
        self._thread.start()
        return self._opened

    def submit(self, picture: np.ndarray) -> Future:
        """The future prediction of a picture, uint8 [H, W, 3]. Cancelled before its batch, it is not run."""
        answer: Future = Future()
        self._jobs.put(_Job(picture, answer))
        return answer

    def stop(self) -> None:
        """End the thread, when what has been submitted is answered."""
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            predictor = self._open_predictor()
            # The first run of a network takes longer: memory is reserved, kernels are compiled.
            predictor(np.zeros((64, 64, 3), np.uint8))
        except BaseException as error:  # whoever waits for the future raises it
            self._opened.set_exception(error)
            return
        self._opened.set_result(predictor)
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            batch = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            if batch:
                self._answer(predictor, batch)

    def _next_batch(self) -> Optional[List[_Job]]:
        """The jobs of a batch, or None at the end."""
        first = self._jobs.get()
        if first is None:
            return None
        batch = [first]
        end = time.monotonic() + self._wait
        while len(batch) < self._max_batch:
            try:
                job = self._jobs.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch

    def _answer(self, predictor: Predictor, batch: List[_Job]) -> None:
        start = time.perf_counter()
        try:
            predictions = predictor.predict_pictures([job.picture for job in batch])
        except Exception as error:  # each request of the batch raises it, and the server goes on
            for job in batch:
                job.answer.set_exception(error)
            return
        self._observe(len(batch), time.perf_counter() - start)
        for job, prediction in zip(batch, predictions):
            job.answer.set_result(prediction)
