"""The body of a request, limited in bytes and time, and the picture in it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from ..web.problems import Problem, unavailable
from ..web.settings import ServingSettings
from .form import FIELD, form_picture

_FORM = "multipart/form-data"
_BYTES = "application/octet-stream"
_SEND_AS = (
    f"send the picture's bytes with Content-Type: image/jpeg, image/png ... or {_BYTES}, "
    f"or a form ({_FORM}) with the file in the field '{FIELD}'"
)


class Body:
    """A request's body. The bytes of all bodies are counted until `release` is called.

    Args:
        reader: Counts them.
        request: The request.
    """

    def __init__(self, reader: BodyReader, request: Request):
        self._reader = reader
        self._request = request
        self._data = b""
        self._size = 0

    async def read(self) -> None:
        """Read it.

        Raises:
            Problem: 408: it takes too long; 413: it is too long; 415: it is of another type; 503: the bodies
                of all requests take too much memory.
            ClientDisconnect: The caller went away.
        """
        settings = self._reader.settings
        kind = self._kind()
        if kind not in (_FORM, _BYTES) and not kind.startswith("image/"):
            raise Problem(415, f"Content-Type {kind or '(none)'}: {_SEND_AS}")
        stated = self._request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > settings.max_bytes:
            raise self._too_large(stated)
        try:
            self._data = await asyncio.wait_for(self._read_all(), settings.read_timeout)
        except asyncio.TimeoutError:
            raise Problem(
                408, f"the request did not arrive within {settings.read_timeout:g} s (--read-timeout)"
            ) from None

    async def _read_all(self) -> bytes:
        settings = self._reader.settings
        chunks = []
        async for chunk in self._request.stream():
            chunks.append(chunk)
            self._size += len(chunk)
            self._reader.held_bytes += len(chunk)
            if self._size > settings.max_bytes:
                raise self._too_large(f"more than {settings.max_bytes}")
            if self._reader.held_bytes > settings.waiting_bytes:
                raise unavailable("the requests in work take all memory that is set aside for them")
        return b"".join(chunks)

    def picture(self) -> bytes:
        """The picture file in it. Raises Problem (400) where a form has none."""
        if self._kind() == _FORM:
            return form_picture(self._request.headers["content-type"], self._data)
        return self._data

    def release(self) -> None:
        """Its bytes are no longer needed."""
        self._reader.held_bytes -= self._size
        self._size = 0
        self._data = b""

    def _kind(self) -> str:
        return self._request.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _too_large(self, size: str) -> Problem:
        limit = self._reader.settings.max_bytes
        return Problem(413, f"the request has {size} bytes, {limit} are the limit (--max-bytes)")


class BodyReader:
    """Counts the bytes of the bodies that are held.

    Args:
        settings: Its limits.
    """

    def __init__(self, settings: ServingSettings):
        self.settings = settings
        self.held_bytes = 0

    def body(self, request: Request) -> Body:
        """The body of a request, not read yet."""
        return Body(self, request)
