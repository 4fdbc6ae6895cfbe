"""Text that belongs at the end of a file, or after what is known at the end alone: kept in a second file."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from ....whole_files import WholeFile, unwritable

_MOST_IN_MEMORY = 4_000_000  # bytes


class Spool(contextlib.AbstractContextManager):
    """Text that is added piece by piece and copied at the end. It has no name, and is gone when it is closed.

    Args:
        path: the file that it belongs to, whose folder is there.

    Raises:
        DataError: nothing can be written; so do the methods.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = tempfile.SpooledTemporaryFile(
            _MOST_IN_MEMORY, "w+", dir=path.parent, encoding="utf-8", errors="backslashreplace", newline=""
        )

    def write(self, text: str) -> None:
        """Add text."""
        try:
            self._file.write(text)
        except OSError as error:
            raise unwritable(self._path, error) from None

    def copy_to(self, file: WholeFile) -> None:
        """Write all of it to a file."""
        try:
            self._file.seek(0)
        except OSError as error:  # what is buffered is written first
            raise unwritable(self._path, error) from None
        shutil.copyfileobj(self._file, file, 1 << 20)

    def __exit__(self, *error) -> None:
        with contextlib.suppress(OSError):  # a full disk was told of before
            self._file.close()
