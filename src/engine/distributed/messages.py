"""Messages over a socket: a JSON header and bytes. Standard library only, for the heartbeat monitors."""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, Optional, Tuple

Message = Tuple[Dict[str, Any], bytes]

# Before a message: the lengths of its header (4 bytes) and of its data (8 bytes).
_LENGTHS = struct.Struct("!IQ")


def encode_message(header: Dict[str, Any], data: bytes = b"") -> bytes:
    """The bytes of one message; the header is JSON-able."""
    text = json.dumps(header).encode()
    return b"".join((_LENGTHS.pack(len(text), len(data)), text, data))


def take_message(buffer: bytearray) -> Optional[Message]:
    """Remove the first message from `buffer`; returns (header, data), or None if it is not complete yet."""
    if len(buffer) < _LENGTHS.size:
        return None
    header_size, data_size = _LENGTHS.unpack_from(buffer)
    header_end = _LENGTHS.size + header_size
    end = header_end + data_size
    if len(buffer) < end:
        return None
    header = json.loads(bytes(buffer[_LENGTHS.size : header_end]))
    data = bytes(buffer[header_end:end])
    del buffer[:end]
    return header, data
