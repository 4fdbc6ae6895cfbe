"""The server's process: its socket, its signals, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

from ..log import logger
from ..web.protocol import SignalledServer, address_of, server_config
from ..web.settings import ServingSettings
from .app import make_app
from .session import RepairSession
from .writer import Writer

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
            app = make_app(session, writer, title, settings.host)
            server = SignalledServer(server_config(app, settings, False, _LAST_REQUESTS))
            if not settings.is_local:
                logger.warning(
                    "--host %s: whoever reaches this machine may change these labels", settings.host
                )
            print(f"ready: {address_of(listener)}/ (Ctrl-C stops)", flush=True)
            asyncio.run(server.serve(sockets=[listener]))
        finally:
            writer.stop()
