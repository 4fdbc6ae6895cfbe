"""The server's paths."""

from __future__ import annotations

import asyncio
import contextlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Callable, Dict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..web.pages import http_error_answer, page_file, problem_answer
from ..web.problems import Problem
from ..web.settings import ServingSettings
from .answers import describe_model
from .metrics import Metrics
from .middleware import Middleware
from .openapi import openapi
from .query import read_wish
from .service import PredictionService

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/drawing.js": ("drawing.js", "text/javascript"),
    "/files.js": ("files.js", "text/javascript"),
    "/camera.js": ("camera.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def make_app(
    make_service: Callable[[], PredictionService],
    settings: ServingSettings,
    metrics: Metrics,
    opened: Callable[[asyncio.Future], None],
) -> Callable:
    """The ASGI application.

    Args:
        make_service: Is called once, when the application starts.
        settings: The token counts.
        metrics: What `/metrics` tells.
        opened: Called with the finished future of the network's opening.
    """
    pages = {path: page_file(_PAGE / name, kind) for path, (name, kind) in _PAGE_FILES.items()}
    paths = _Paths(metrics, openapi(_version(), settings.token is not None))
    routes = [
        *(Route(path, page, methods=["GET"]) for path, page in pages.items()),
        Route("/health", paths.health, methods=["GET"]),
        Route("/ready", paths.ready, methods=["GET"]),
        Route("/metrics", paths.metrics, methods=["GET"]),
        Route("/openapi.json", paths.openapi, methods=["GET"]),
        Route("/v1/model", paths.model, methods=["GET"]),
        Route("/v1/predict", paths.predict, methods=["POST"]),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_):
        paths.service = make_service()
        opening = asyncio.ensure_future(paths.service.open())
        opening.add_done_callback(opened)
        yield
        opening.cancel()
        paths.service.close()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            Problem: lambda _, problem: problem_answer(problem),
            HTTPException: http_error_answer("; /openapi.json lists what there is"),
            Exception: _internal_error,
        },
    )
    # Starlette's own answer to a path with a slash too many is a redirection, whose address would be made of
    # what the caller says this host is called.
    app.router.redirect_slashes = False
    return Middleware(app, metrics, settings.token, {route.path for route in routes}, problem_answer)


class _Paths:
    """What the paths answer.

    Attributes:
        service: Answers pictures; it is set when the application starts.
    """

    def __init__(self, metrics: Metrics, description: Dict[str, Any]):
        self.service: PredictionService
        self._metrics = metrics
        self._description = description

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        self.service.check_ready()
        return JSONResponse({"status": "ready"})

    async def metrics(self, _: Request) -> Response:
        text, kind = self._metrics.text()
        return Response(text, headers={"content-type": kind})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._description)

    async def model(self, _: Request) -> Response:
        self.service.check_ready()
        settings = self.service.settings
        return JSONResponse(describe_model(self.service.predictor, settings.max_bytes, settings.max_pixels))

    async def predict(self, request: Request) -> Response:
        self.service.check_ready()
        wish = read_wish(request.query_params.multi_items(), request.headers.get("accept", ""))
        body = self.service.bodies.body(request)
        try:
            await body.read()
            content, kind = await _while_connected(request, self.service.answer(body, wish))
        except ClientDisconnect:
            # Nobody reads this answer; it is counted.
            raise Problem(400, "the caller went away") from None
        finally:
            body.release()
        return Response(content, media_type=kind)


async def _while_connected(request: Request, work) -> Any:
    """The result of a coroutine, which is cancelled when the caller goes away (ClientDisconnect)."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect()
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _internal_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "an error of the server, which its output tells"}, 500)


def _version() -> str:
    try:
        return version("mindspore-mask-rcnn")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0.1.0"
