"""The paths of repair.py's page."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict

import cv2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..data.annotations.json_values import whole_number
from ..data.annotations.picture_folder import PictureFolder
from ..data.findings import Findings
from ..data.images.decode import read_picture
from ..errors import DataError, UserError
from ..web.pages import http_error_answer, page_file, problem_answer
from ..web.problems import Problem, bad_request
from .decision_log import DECISIONS
from .descriptions import SuspectPages
from .requests import Guard, json_body
from .session import RepairSession, Stale
from .suspects import kind_counts
from .writer import Writer

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/request.js": ("request.js", "text/javascript"),
    "/overlay.js": ("overlay.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_QUALITY = 92  # of JPEG
_PICTURES = 16  # encoded ones that are kept


def make_app(session: RepairSession, writer: Writer, title: str, host: str) -> Callable:
    """The ASGI application.

    Args:
        session: the repair.
        writer: writes the corrected file.
        title: what is repaired.
        host: the address that the server listens on.
    """
    paths = _Paths(session, writer, title)
    pages = {path: page_file(_PAGE / name, kind) for path, (name, kind) in _PAGE_FILES.items()}
    app = Starlette(
        routes=[
            *(Route(path, page, methods=["GET"]) for path, page in pages.items()),
            Route("/v1/session", paths.session_state, methods=["GET"]),
            Route("/v1/suspects", paths.suspects, methods=["GET"]),
            Route("/v1/suspects/{key}", paths.suspect, methods=["GET"]),
            Route("/v1/pictures/{number}", paths.picture, methods=["GET"]),
            Route("/v1/decisions", paths.decide, methods=["POST"]),
            Route("/v1/undo", paths.undo, methods=["POST"]),
            Route("/v1/write", paths.write, methods=["POST"]),
        ],
        exception_handlers={
            Problem: lambda _, problem: problem_answer(problem),
            HTTPException: http_error_answer(),
            UserError: lambda _, error: JSONResponse({"error": str(error)}, 500),
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, host, problem_answer)


class _Paths:
    """What the paths answer."""

    def __init__(self, session: RepairSession, writer: Writer, title: str):
        self._session = session
        self._writer = writer
        self._title = title
        self._pages = SuspectPages(session)
        self._listed = self._pages.listed()
        self._folder = PictureFolder(session.data.source.folder, Findings("pictures"), "image")
        self._encoded = lru_cache(_PICTURES)(self._encode)

    async def session_state(self, _: Request) -> Response:
        return JSONResponse(self._state())

    async def suspects(self, _: Request) -> Response:
        about = {
            "title": self._title,
            "annotation_file": self._session.data.source.annotation_file,
            "out": str(self._session.out),
            "log": str(self._session.log_path),
            "picture_key": self._session.data.source.digest[:16],
            "kinds": kind_counts(list(self._session.suspects.values())),
        }
        return JSONResponse({**about, "suspects": self._listed, "state": self._state()})

    async def suspect(self, request: Request) -> Response:
        key = request.path_params["key"]
        self._check(key)
        return JSONResponse(await run_in_threadpool(self._pages.details, key))

    async def picture(self, request: Request) -> Response:
        record = self._session.records.get(whole_number(request.path_params["number"]))
        if record is None:
            raise Problem(404, "there is no such picture")
        try:
            data = await run_in_threadpool(self._encoded, record.image_id)
        except DataError as error:
            raise Problem(404, str(error)) from None
        # its address has a part that changes with the annotation file
        headers = {"cache-control": "private, max-age=3600"}
        return Response(data, media_type="image/jpeg", headers=headers)

    async def decide(self, request: Request) -> Response:
        content = await _body(request, {"suspect": str, "decision": str, "touched": int})
        self._check(content["suspect"])
        if content["decision"] not in DECISIONS:
            raise bad_request(f"decision: one of {', '.join(DECISIONS)} expected")
        try:
            await run_in_threadpool(
                self._session.decide, content["suspect"], content["decision"], content["touched"]
            )
        except Stale as stale:
            return self._stale(stale)
        self._writer.wake()
        return JSONResponse(self._state())

    async def undo(self, request: Request) -> Response:
        content = await _body(request, {"revision": int})
        try:
            key = await run_in_threadpool(self._session.undo, content["revision"])
        except Stale as stale:
            return self._stale(stale)
        self._writer.wake()
        return JSONResponse({**self._state(), "undone": key})

    async def write(self, request: Request) -> Response:
        await _body(request, {})
        await run_in_threadpool(self._session.write)
        return JSONResponse(self._state())

    def _state(self) -> Dict[str, Any]:
        return {**self._session.overview(), "write_failure": self._writer.failure}

    def _check(self, key: str) -> None:
        if key not in self._session.suspects:
            raise Problem(404, "there is no such suspect")

    def _stale(self, stale: Stale) -> Response:
        return JSONResponse({"error": stale.reason, "state": self._state()}, 409)

    def _encode(self, image_id: int) -> bytes:
        """The JPEG of a picture as it is annotated. Raises DataError."""
        record = self._session.records[image_id]
        path = record.path
        if not path:
            raise DataError(f"picture {image_id}: its name leads out of the folder of the pictures")
        if not Path(path).exists():
            name = str(Path(path).relative_to(self._folder.folder)) if self._folder.folder else path
            path = self._folder.path(name, record.location, image_id) or path
        pixels = read_picture(path, (record.height, record.width))
        return cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


async def _body(request: Request, fields: Dict[str, type]) -> Dict[str, Any]:
    try:
        return await json_body(request, fields)
    except ClientDisconnect:
        raise bad_request("the caller went away") from None
