"""The connections of a heartbeat monitor: sending and receiving never wait. Standard library only."""

from __future__ import annotations

import selectors
import socket
from typing import Any, Dict, List, Optional

from .messages import Message, encode_message, take_message

_READ_SIZE = 1 << 20


class Connection:
    """One connection.

    Attributes:
        socket: The non-blocking socket.
        rank: The rank at its other end; None before it is known.
        position: Where that rank was when it last reported ("in epoch 1 step 7").
        silent_seconds: For how long nothing has arrived.
        has_finished: Whether the other end said that it ends.
        is_open: False after the connection's end.
    """

    def __init__(self, connection: socket.socket, rank: Optional[int] = None):
        connection.setblocking(False)
        self.socket = connection
        self.rank = rank
        self.position = "at its start"
        self.silent_seconds = 0.0
        self.has_finished = False
        self.is_open = True
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def send(self, header: Dict[str, Any], data: bytes = b"") -> None:
        """Send a message; what the socket does not take now, `flush` sends later."""
        self.outgoing += encode_message(header, data)
        self.flush()

    def flush(self) -> None:
        try:
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing[:_READ_SIZE])]
        except BlockingIOError:
            pass
        except OSError:  # the connection is closed, which `receive` will notice
            self.outgoing.clear()

    def receive(self) -> List[Message]:
        """The messages that have arrived."""
        try:
            while True:
                piece = self.socket.recv(_READ_SIZE)
                if not piece:
                    self.is_open = False
                    break
                self.incoming += piece
                if len(piece) < _READ_SIZE:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False
        messages = []
        while (message := take_message(self.incoming)) is not None:
            messages.append(message)
        return messages


class ConnectionPool:
    """All open connections, and the socket at which new ones arrive.

    Args:
        listener: That socket; None if there is none.
    """

    def __init__(self, listener: Optional[socket.socket] = None):
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, None)

    def add(self, connection: Connection) -> Connection:
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def close(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def wait(self, seconds: float) -> List[Connection]:
        """Wait until something arrives, at most `seconds`; returns the connections where it did."""
        ready = []
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._accept()
            else:
                ready.append(key.data)
        return ready

    def flush(self) -> None:
        """Send what could not be sent before, and have `wait` return when a full socket takes more."""
        for key in list(self._selector.get_map().values()):
            connection = key.data
            if connection is None:
                continue
            connection.flush()
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.outgoing else 0)
            if events != key.events:
                self._selector.modify(connection.socket, events, connection)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self.add(Connection(connection))
