"""Standard output and standard error that survive a closed pipe, a full disk and an ASCII terminal."""

from __future__ import annotations

import errno
import io
import os
import sys

from ..errors import UserError


class _Output(io.FileIO):
    """A file descriptor that is written to until its reader has gone; what comes later is dropped."""

    is_closed_by_reader = False

    def write(self, data) -> int:
        if self.is_closed_by_reader:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.is_closed_by_reader = True
            if error.errno == errno.EPIPE:
                # Libraries write to the same descriptor, and processes that start later inherit it.
                with open(os.devnull, "wb") as nothing:
                    os.dup2(nothing.fileno(), self.fileno())
                return len(data)
            name = {1: "standard output", 2: "standard error"}.get(self.fileno(), "output")
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
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=getattr(stream, "write_through", False),
    )
