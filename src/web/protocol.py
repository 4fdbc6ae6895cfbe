"""The socket, the signals that end a server, and HTTP/1.1 for callers that are slow or do not speak it."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import socket
from typing import Callable, Iterator, Optional, Type

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ConfigError
from .settings import ServingSettings

BACKLOG = 512
_KEEP_ALIVE = 10  # seconds


class Protocol(H11Protocol):
    """uvicorn's, with limits of time, and with reasons as JSON.

    uvicorn waits without end for headers that never become whole, and for callers that do not read.

    Attributes:
        header_seconds: How long a request's headers may take to arrive.
        request_seconds: How long it may take from there until the answer has been sent.
    """

    header_seconds = 20.0
    request_seconds = 70.0
    _timer = None
    _timed_request = None  # what the timer is for; None: headers

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._send_problem(400, "this is no HTTP/1.1 request")

    def _watch(self) -> None:
        """Start the timer of what this connection waits for, unless it runs already."""
        is_asked = self.cycle is not None and not self.cycle.response_complete
        request = self.cycle if is_asked else None
        if self._timer is not None and request is self._timed_request:
            return
        self._stop_timer()
        if not self.transport.is_closing():
            seconds = self.request_seconds if is_asked else self.header_seconds
            give_up = self.transport.abort if is_asked else self._refuse_headers
            self._timer = self.loop.call_later(seconds, give_up)
            self._timed_request = request

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse_headers(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            reason = f"the request's headers did not arrive within {self.header_seconds:g} s (--read-timeout)"
            self._send_problem(408, reason)
        else:  # nothing was asked
            self.transport.close()

    def _send_problem(self, status: int, reason: str) -> None:
        """Answer a request that never became one, where that can still be said, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": reason}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()


def protocol_of(settings: ServingSettings) -> Type[Protocol]:
    """The class that uvicorn makes an instance of for each connection, with the limits of the settings."""
    limits = {
        "header_seconds": settings.read_timeout,
        # The body, the work, and the answer.
        "request_seconds": 2 * settings.read_timeout + settings.timeout,
    }
    return type("LimitedProtocol", (Protocol,), limits)


def server_config(
    app: Callable, settings: ServingSettings, with_lifespan: bool, last_requests: int
) -> uvicorn.Config:
    """uvicorn's configuration of a server here.

    Args:
        app: The ASGI application.
        settings: The limits of time.
        with_lifespan: Whether the application starts and ends something of its own.
        last_requests: Seconds that requests in work have at the end.
    """
    return uvicorn.Config(
        app,
        http=protocol_of(settings),
        ws="none",
        loop="asyncio",
        lifespan="on" if with_lifespan else "off",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=last_requests,
    )


def listen(host: str, port: int) -> socket.socket:
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
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--host {host} --port {port}: {error.strerror or error}; choose another --port (0: any free one)"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of a socket that listens, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class SignalledServer(uvicorn.Server):
    """uvicorn's server, which SIGTERM and SIGINT end without being raised again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        signals = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, self.handle_exit) for number in signals]
        try:
            yield
        finally:
            for number, handler in zip(signals, before):
                signal.signal(number, handler)
