"""The server's process: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from pathlib import Path
from typing import Callable, Optional

from ..log import logger
from ..predictor import Predictor
from ..web.protocol import SignalledServer, address_of, listen, server_config
from ..web.settings import ServingSettings
from .app import make_app
from .metrics import Metrics
from .service import PredictionService


def serve(open_predictor: Callable[[], Predictor], name: str, settings: ServingSettings) -> int:
    """Serve a network until SIGTERM or SIGINT.

    Then no new request is taken, those in work are answered, and the process ends.

    Args:
        open_predictor: Makes the predictor; it is called in another thread.
        name: What is served, for a line on the console.
        settings: Address and limits.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: Nothing can listen at the address.
        UserError: As `open_predictor`.
    """
    listener = listen(settings.host, settings.port)
    with contextlib.closing(listener):
        server = _Server(open_predictor, name, settings, listener)
        asyncio.run(server.serve(sockets=[listener]))
    if server.failure is not None:
        raise server.failure
    print("stopped", flush=True)
    return 0


class _Server(SignalledServer):
    """uvicorn's, with its socket, its signals and the network's opening in one place.

    Attributes:
        failure: Why the network could not be opened.
    """

    def __init__(
        self,
        open_predictor: Callable[[], Predictor],
        name: str,
        settings: ServingSettings,
        listener: socket.socket,
    ):
        self.failure: Optional[BaseException] = None
        self._name = Path(name).name
        self._settings = settings
        self._service: Optional[PredictionService] = None
        self._address = address_of(listener)
        metrics = Metrics()

        def make_service() -> PredictionService:
            self._service = PredictionService(open_predictor, settings, metrics)
            return self._service

        # What it says of single requests is in the metrics; errors of the server are shown.
        for quiet in ("uvicorn", "python_multipart"):
            logging.getLogger(quiet).setLevel(logging.ERROR)
        app = make_app(make_service, settings, metrics, self._opened)
        last_requests = math.ceil(2 * settings.read_timeout + settings.timeout) + 1
        super().__init__(server_config(app, settings, with_lifespan=True, last_requests=last_requests))

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        print(f"listening on {self._address}; loading {self._name}", flush=True)
        if not self._settings.is_local and self._settings.token is None:
            logger.warning("--host %s: whoever reaches this machine may use it", self._settings.host)

    def _opened(self, opening: asyncio.Future) -> None:
        if opening.cancelled():
            return
        self.failure = opening.exception()
        if self.failure is None:
            print(f"ready: {self._address}/ (Ctrl-C stops)", flush=True)
        else:
            self.should_exit = True

    def handle_exit(self, sig, frame) -> None:
        if self._service is not None:
            self._service.is_stopping = True
        super().handle_exit(sig, frame)
