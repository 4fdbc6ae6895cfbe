"""HTTP/1.1 for callers that are slow or do not speak it."""

from __future__ import annotations

import json
from typing import Optional, Type

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """uvicorn's, with a limit of time for a request's headers, and with reasons as JSON.

    uvicorn waits without end for headers that never become whole.

    Attributes:
        header_seconds: How long a request's headers may take to arrive.
    """

    header_seconds = 20.0
    _timer = None

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
        """Start the timer where no request is in work, and stop it where one is."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.header_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
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


def protocol_of(header_seconds: float) -> Type[Protocol]:
    """The class that uvicorn makes an instance of for each connection, with this limit of time."""
    return type("LimitedProtocol", (Protocol,), {"header_seconds": header_seconds})
