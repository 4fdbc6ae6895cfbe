"""What holds for every request: who may ask, headers for browsers, small bodies."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any, Callable, Dict, List, Tuple
from urllib.parse import urlsplit

from starlette.requests import Request

from ..web.problems import Problem, bad_request

MOST_BYTES = 10_000  # of a request
_SECONDS = 20.0
# The page's files and pictures come from this server and nowhere else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_NO_STORE = (b"cache-control", b"no-store")


class Guard:
    """An ASGI application around another: it refuses what another site may have sent.

    A page of another site cannot name this server as its own: a host name that its owner lets point to
    127.0.0.1 ("DNS rebinding") stands in the header Host, and the site itself in Origin.

    Args:
        app: the other.
        host: the address that the server listens on; it may stand in Host.
        answer: makes the answer (an ASGI application) of a Problem.
    """

    def __init__(self, app: Callable, host: str, answer: Callable[[Problem], Callable]):
        self._app = app
        self._host = host.lower()
        self._answer = answer

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *_HEADERS]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message = {**message, "headers": headers}
            await send(message)

        app = self._app
        try:
            self._check(scope)
        except Problem as problem:
            app = self._answer(problem)
        await app(scope, receive, send_with_headers)

    def _check(self, scope) -> None:
        """Raise Problem (403) for a request that may come from another site."""
        headers = scope["headers"]
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            raise Problem(403, "the header Host does not name this server; open it as http://127.0.0.1:PORT/")
        origins = _values(headers, b"origin")
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            raise Problem(403, "the request comes from a page of another site")
        sites = _values(headers, b"sec-fetch-site")
        if scope["method"] != "GET" and any(site not in ("same-origin", "none") for site in sites):
            raise Problem(403, "the request comes from a page of another site")

    def _is_own(self, host: str) -> bool:
        """Whether a Host is an address, localhost, or the name that the server was started with."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _values(headers: List[Tuple[bytes, bytes]], wanted: bytes) -> List[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


async def json_body(request: Request, fields: Dict[str, type]) -> Dict[str, Any]:
    """The object in a request's body, with exactly these fields.

    Raises:
        Problem: 415: it is of another type (a form of another site cannot send JSON); 413: it is too long;
            408: it takes too long; 400: it has other fields.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "send JSON with Content-Type: application/json")

    async def read() -> bytes:
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > MOST_BYTES:
                raise Problem(413, f"a request of more than {MOST_BYTES} bytes")
        return data

    try:
        data = await asyncio.wait_for(read(), _SECONDS)
    except asyncio.TimeoutError:
        raise Problem(408, f"the request did not arrive within {_SECONDS:g} s") from None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise bad_request("the body is not JSON") from None
    is_right = isinstance(content, dict) and set(content) == set(fields)
    if not is_right or any(type(content[name]) is not kind for name, kind in fields.items()):
        expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in fields.items())
        raise bad_request(f"an object with these fields expected: {expected}")
    return content
