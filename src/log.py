"""The project's logger: notices go to standard output, warnings to standard error. Standard library only.

    from .log import logger

    logger.info("resume=auto: no checkpoint yet")          # resume=auto: no checkpoint yet
    logger.warning("%s: the graph is not kept", folder)    # warning: graphs: the graph is not kept

What a command computes (tables, the name of the written file) is printed, not logged.
"""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("maskrcnn")


class _ConsoleHandler(logging.Handler):
    """Prints messages. On a rank other than 0 they begin with its number."""

    def __init__(self):
        super().__init__()
        self.prefix = ""

    def emit(self, record: logging.LogRecord) -> None:
        is_warning = record.levelno >= logging.WARNING
        level = f"{record.levelname.lower()}: " if is_warning else ""
        stream = sys.stderr if is_warning else sys.stdout
        print(f"{self.prefix}{level}{record.getMessage()}", file=stream, flush=True)


_console = _ConsoleHandler()


def configure_logging() -> None:
    """Show the messages of `logger`. The entry points call this."""
    if _console not in logger.handlers:
        logger.addHandler(_console)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def set_log_rank(rank: int) -> None:
    """From now on messages begin with the rank's number, unless it is rank 0."""
    _console.prefix = f"rank {rank}: " if rank else ""
