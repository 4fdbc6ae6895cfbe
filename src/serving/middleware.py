"""What holds for every request: the token, headers for browsers, counting."""

from __future__ import annotations

import hmac
import time
from typing import Any, Callable, Collection, Optional

from ..web.problems import Problem
from .metrics import Metrics

# The page's files come from this server and nowhere else; it shows pictures that the reader chose (blob:).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_OTHER = "other"


class Middleware:
    """An ASGI application around another.

    Args:
        app: The other.
        metrics: Are counted up.
        token: The bearer token that is asked for below /v1/ and at /metrics; None: none is.
        paths: The server's own paths; all others are counted as one.
        answer: Makes the answer (an ASGI application) of a Problem.
    """

    def __init__(
        self,
        app: Callable,
        metrics: Metrics,
        token: Optional[str],
        paths: Collection[str],
        answer: Callable[[Problem], Callable],
    ):
        self._app = app
        self._metrics = metrics
        self._token = token
        self._paths = frozenset(paths)
        self._answer = answer

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def send_with_headers(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        app = self._app
        if not self._is_allowed(scope):
            app = self._answer(Problem(401, "a bearer token is needed: Authorization: Bearer TOKEN"))
        try:
            await app(scope, receive, send_with_headers)
        finally:
            path = scope["path"] if scope["path"] in self._paths else _OTHER
            self._metrics.observe_request(path, status, time.perf_counter() - start)

    def _is_allowed(self, scope) -> bool:
        path = scope["path"]
        if self._token is None or not (path.startswith("/v1/") or path == "/metrics"):
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token.encode())
