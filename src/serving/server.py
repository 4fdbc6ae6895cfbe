"""The server's process: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
from pathlib import Path
from typing import Callable, Iterator, Optional

import uvicorn

from ..errors import ConfigError
from ..log import logger
from ..predictor import Predictor
from .app import make_app
from .metrics import Metrics
from .protocol import protocol_of
from .service import PredictionService
from .settings import ServingSettings

_BACKLOG = 512
_KEEP_ALIVE = 10  # seconds


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
    listener = _listen(settings.host, settings.port)
    with contextlib.closing(listener):
        server = _Server(open_predictor, name, settings, listener)
        asyncio.run(server.serve(sockets=[listener]))
    if server.failure is not None:
        raise server.failure
    print("stopped", flush=True)
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ConfigError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host}: {reason}; an address of this machine expected") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--host {host} --port {port}: {error.strerror or error}; choose another --port (0: any free one)"
        ) from None
    return listener


class _Server(uvicorn.Server):
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
        self._address = _address(listener)
        metrics = Metrics()

        def make_service() -> PredictionService:
            self._service = PredictionService(open_predictor, settings, metrics)
            return self._service

        # What it says of single requests is in the metrics; errors of the server are shown.
        for quiet in ("uvicorn", "python_multipart"):
            logging.getLogger(quiet).setLevel(logging.ERROR)
        super().__init__(
            uvicorn.Config(
                make_app(make_service, settings, metrics, self._opened),
                http=protocol_of(settings),
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=None,
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=math.ceil(2 * settings.read_timeout + settings.timeout) + 1,
            )
        )

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

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server; uvicorn's own would raise them again at its end."""
        signals = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, self.handle_exit) for number in signals]
        try:
            yield
        finally:
            for number, handler in zip(signals, before):
                signal.signal(number, handler)

    def handle_exit(self, sig, frame) -> None:
        if self._service is not None:
            self._service.is_stopping = True
        super().handle_exit(sig, frame)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
