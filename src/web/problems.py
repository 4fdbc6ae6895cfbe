"""What a request can be answered besides a result: a status and a reason. Standard library only."""

from __future__ import annotations

from typing import Dict, Optional


class Problem(Exception):
    """A request that is not answered with a result.

    Attributes:
        status: The HTTP status, 4xx or 503.
        reason: One line for the caller: what is wrong and what to do.
        retry_after: Seconds after which the same request may succeed; None: it will not.
    """

    def __init__(self, status: int, reason: str, retry_after: Optional[int] = None):
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    @property
    def headers(self) -> Dict[str, str]:
        """The headers that go with the status."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers


def bad_request(reason: str) -> Problem:
    return Problem(400, reason)


def unavailable(reason: str, retry_after: int = 1) -> Problem:
    """503: the same request may succeed later."""
    return Problem(503, reason, retry_after)
