"""Messages over a socket, as frames: a JSON header and bytes. Standard library only, since sentinels load nothing else."""

from __future__ import annotations

import json
import selectors
import struct

_FRAME = struct.Struct("!IQ")


def pack(header, data=b""):
    """The bytes of one frame: header, a JSON-able dict, and data."""
    text = json.dumps(header).encode()
    return b"".join((_FRAME.pack(len(text), len(data)), text, data))


def unpack(buffer):
    """(header, data) of the first whole frame of a bytearray, which is cut off it; None if there is none yet."""
    if len(buffer) < _FRAME.size:
        return None
    header, data = _FRAME.unpack_from(buffer)
    end = _FRAME.size + header + data
    if len(buffer) < end:
        return None
    frame = (
        json.loads(bytes(buffer[_FRAME.size : _FRAME.size + header])),
        bytes(buffer[_FRAME.size + header : end]),
    )
    del buffer[:end]
    return frame


class Link:
    """One connection: frames in, frames out, never waiting."""

    def __init__(self, connection, rank=None):
        connection.setblocking(False)
        self.socket, self.rank = connection, rank
        self.incoming, self.outgoing = bytearray(), bytearray()
        self.silent, self.where, self.left, self.open, self.events = (
            0.0,
            "at its start",
            False,
            True,
            selectors.EVENT_READ,
        )

    def send(self, header, data=b""):
        self.outgoing += pack(header, data)
        self.flush()

    def flush(self):
        try:
            while self.outgoing:
                del self.outgoing[: self.socket.send(self.outgoing[: 1 << 20])]
        except BlockingIOError:
            pass
        except OSError:  # reading tells that it is closed
            self.outgoing.clear()

    def receive(self):
        """The frames that have arrived; `open` is False from the connection's end on."""
        frames = []
        try:
            while True:
                piece = self.socket.recv(1 << 20)
                if not piece:
                    self.open = False
                    break
                self.incoming += piece
                if len(piece) < 1 << 20:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.open = False
        while (frame := unpack(self.incoming)) is not None:
            frames.append(frame)
        return frames
