"""The server's process: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Callable

import uvicorn

from ..log import logger
from ..serving.protocol import BACKLOG, SignalledServer, address_of, protocol_of
from ..serving.settings import ServingSettings
from .app import make_app
from .session import RepairSession
from .writer import Writer

_KEEP_ALIVE = 10  # seconds
_LAST_REQUESTS = 5  # seconds that requests in work have at the end


def serve_page(
    session: RepairSession, listener: socket.socket, settings: ServingSettings, title: str
) -> None:
    """Serve the page until SIGTERM or SIGINT; then the corrected file is up to date.

    Args:
        session: the repair.
        listener: listens already.
        settings: address and limits of time.
        title: what is repaired.

    Raises:
        DataError: the corrected file cannot be written.
    """
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    with contextlib.closing(session):
        writer = Writer(session)
        writer.wake()
        try:
            server = _server(make_app(session, writer, title, settings.host), settings)
            if not settings.is_local:
                logger.warning(
                    "--host %s: whoever reaches this machine may change these labels", settings.host
                )
            print(f"ready: {address_of(listener)}/ (Ctrl-C stops)", flush=True)
            asyncio.run(server.serve(sockets=[listener]))
        finally:
            writer.stop()


def _server(app: Callable, settings: ServingSettings) -> uvicorn.Server:
    return SignalledServer(
        uvicorn.Config(
            app,
            http=protocol_of(settings),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_LAST_REQUESTS,
        )
    )
