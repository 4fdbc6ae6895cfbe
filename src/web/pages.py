"""What every server here answers alike: the files of its page, and requests that have no result."""

from __future__ import annotations

from pathlib import Path
from typing import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .problems import Problem


def page_file(path: Path, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """What answers with a file, which is read once; kind: its media type."""
    content = path.read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def problem_answer(problem: Problem) -> Response:
    return JSONResponse({"error": problem.reason}, problem.status, problem.headers)


def http_error_answer(hint: str = "") -> Callable[[Request, HTTPException], Awaitable[Response]]:
    """What answers a request that no path takes; hint: what is said after the reason of a 404."""

    async def answer(request: Request, error: HTTPException) -> Response:
        reason = str(error.detail)
        if error.status_code == 404:
            reason = f"there is nothing at this path{hint}"
        elif error.status_code == 405:
            reason = f"this path does not take {request.method}; the header Allow names what it takes"
        return JSONResponse({"error": reason}, error.status_code, error.headers)

    return answer
