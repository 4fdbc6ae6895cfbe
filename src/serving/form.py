"""The file of a form (multipart/form-data) as RFC 7578 describes it."""

from __future__ import annotations

from typing import Dict

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..web.problems import bad_request

FIELD = "picture"
_MAX_HEADERS = 8192  # bytes of a part's headers


def form_picture(content_type: str, body: bytes) -> bytes:
    """The bytes of the file in the field `picture`, which is the form's only field.

    Args:
        content_type: The header, with the boundary.
        body: The whole form.

    Raises:
        Problem: 400: it is no such form.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise bad_request("the form's Content-Type names no boundary")
    part = _Part()
    try:
        parser = MultipartParser(boundary, part.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise bad_request(f"the form cannot be read ({' '.join(str(error).split())[:120]})") from None
    if not part.is_whole:
        raise bad_request("the form ends before its last boundary")
    if part.name != FIELD.encode():
        raise bad_request(f"the form has no file in the field '{FIELD}'")
    return b"".join(part.pieces)


class _Part:
    """What the parser calls. A second part is refused."""

    def __init__(self):
        self.pieces = []
        self.name = None
        self.is_whole = False
        self._parts = 0
        self._header_size = 0
        self._header = b""
        self._value = b""

    def callbacks(self) -> Dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise bad_request(f"the form has several fields; one picture in the field '{FIELD}' expected")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(data[start:end])

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self.name = parse_options_header(self._value)[1].get(b"name")
        self._header = b""
        self._value = b""

    def _end(self) -> None:
        self.is_whole = True

    def _count(self, size: int) -> None:
        self._header_size += size
        if self._header_size > _MAX_HEADERS:
            raise bad_request(f"the headers of the form's field have more than {_MAX_HEADERS} bytes")
