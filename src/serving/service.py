"""A picture's way through the server: admission, decoding, the network, the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional, Tuple

from ..predictor import Predictor
from ..web.problems import unavailable
from ..web.settings import ServingSettings
from .answers import encode_answer
from .batcher import Batcher
from .body import Body, BodyReader
from .metrics import Metrics
from .pictures import check_picture, decode
from .query import Wish

_THREADS = 2  # that decode pictures and write answers


class PredictionService:
    """A network that answers requests. Make it in the event loop that uses it.

    Args:
        open_predictor: Makes the predictor.
        settings: Limits.
        metrics: Are counted up.

    Attributes:
        predictor: The predictor; None until it is open.
        is_stopping: Set it to refuse new requests.
    """

    def __init__(self, open_predictor: Callable[[], Predictor], settings: ServingSettings, metrics: Metrics):
        self.settings = settings
        self.predictor: Optional[Predictor] = None
        self.is_stopping = False
        self.bodies = BodyReader(settings)
        self._metrics = metrics
        self._batcher = Batcher(
            open_predictor, settings.max_batch, settings.batch_wait, metrics.observe_batch
        )
        self._threads = ThreadPoolExecutor(_THREADS, "pictures")
        # Who holds one of them has a decoded picture. The others wait with their file's bytes.
        self._slots = asyncio.Semaphore(settings.slots)
        self._waiting = 0

    async def open(self) -> None:
        """Open the predictor. Raises UserError as `Predictor` does."""
        self.predictor = await asyncio.wrap_future(self._batcher.start())

    def close(self) -> None:
        """End the threads. No request is in work any more."""
        self._batcher.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check_ready(self) -> None:
        """Raise Problem (503) unless a request would be taken."""
        if self.is_stopping:
            raise unavailable("the server is stopping", 5)
        if self.predictor is None:
            raise unavailable("the network is being loaded", 5)

    async def answer(self, body: Body, wish: Wish) -> Tuple[bytes, str]:
        """What is found in the picture of a body that has been read.

        Returns:
            (the answer's bytes, their media type)

        Raises:
            Problem: The picture cannot be used, too many requests wait, or the time is up.
        """
        try:
            return await asyncio.wait_for(self._answer(body, wish), self.settings.timeout)
        except asyncio.TimeoutError:
            raise unavailable(f"not answered within {self.settings.timeout:g} s (--timeout)") from None

    async def _answer(self, body: Body, wish: Wish) -> Tuple[bytes, str]:
        data = await self._in_thread(self._checked_picture, body)
        if self._waiting >= self.settings.queue:
            raise unavailable(f"{self._waiting} requests wait already (--queue)")
        self._count_waiting(1)
        try:
            await self._slots.acquire()
        finally:
            self._count_waiting(-1)
        try:
            picture = await self._in_thread(decode, data)
            body.release()
            del data
            prediction = await asyncio.wrap_future(self._batcher.submit(picture))
            return await self._in_thread(encode_answer, picture, prediction, wish)
        finally:
            self._slots.release()

    def _checked_picture(self, body: Body) -> bytes:
        data = body.picture()
        check_picture(data, self.settings.max_pixels)
        return data

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self._metrics.waiting.set(self._waiting)

    async def _in_thread(self, function: Callable, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
