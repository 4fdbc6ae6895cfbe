"""Standard output and standard error that survive a closed pipe, a full disk and an ASCII terminal."""

from __future__ import annotations

import errno
import io
import os
import sys

from ..errors import UserError


class _Output(io.TextIOWrapper):
    """A text stream that is written to until its reader has gone; what comes later is dropped."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._stop_writing(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._stop_writing(error)

    def _stop_writing(self, error):
        descriptor = self.fileno()
        # Libraries write to the same descriptor, and processes that start later inherit it.
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), descriptor)
        super().flush()
        if error.errno != errno.EPIPE:
            name = {1: "standard output", 2: "standard error"}.get(descriptor, "output")
            raise UserError(f"{name}: {error.strerror or error}") from None


def protect_standard_streams() -> None:
    """Let printing never fail because of who reads it.

    Where the reader of a pipe ends (`check_data.py ... | head -1`), the command goes on without output and
    ends with its own exit code. Letters that the terminal's encoding lacks are written as escapes. A full
    disk is a UserError.
    """
    sys.stdout = _protected(sys.stdout)
    sys.stderr = _protected(sys.stderr)


def _protected(stream):
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):  # None, or no file: the stream of a notebook
        return stream
    stream.flush()
    # Buffer and file are C's own: an interrupt between two steps of Python code writes nothing twice.
    return _Output(
        io.BufferedWriter(io.FileIO(descriptor, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=getattr(stream, "write_through", False),
    )
