"""Files that have their names only when they are whole: they are written beside and renamed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Iterator, Union

from .errors import DataError


@contextlib.contextmanager
def replaced_file(path: Union[str, Path]) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place where the block ends without an error.

    The temporary path has the suffix of `path`, by which some libraries choose the format. The folder is
    made. After an error nothing is left of it, and what was there before is as it was.

    Raises:
        DataError: nothing can be written there.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def unwritable(path: Union[str, Path], error: OSError) -> DataError:
    """What is said of a file that cannot be written."""
    return DataError(f"{path}: {error.strerror or error}; choose a folder that can be written")


class WholeFile:
    """A text file that is written piece by piece. Use it as a context manager: an error leaves no part of it.

    Args:
        path: The file. Its folder is made.

    Raises:
        DataError: The file cannot be written; so do the methods.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        self._open = contextlib.ExitStack()
        temporary = self._open.enter_context(replaced_file(self.path))
        try:
            # Bytes of a file name that are no UTF-8 become \udc80 to \udcff, which is how JSON writes them.
            self._file = self._open.enter_context(
                open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="")
            )
        except OSError as error:
            raise unwritable(self.path, error) from None

    def write(self, text: str) -> None:
        """Add text."""
        try:
            self._file.write(text)
        except OSError as error:
            raise unwritable(self.path, error) from None

    def __enter__(self) -> WholeFile:
        return self

    def __exit__(self, *error) -> None:
        self._open.__exit__(*error)


class JsonList(WholeFile):
    """A JSON file with a list that grows in the file and never in memory."""

    def __init__(self, path: Union[str, Path]):
        super().__init__(path)
        self._is_empty = True

    def append(self, item: Any) -> None:
        """Write one more item, on a line of its own."""
        self.write(("[\n" if self._is_empty else ",\n") + json.dumps(item, ensure_ascii=False))
        self._is_empty = False

    def __exit__(self, *error) -> None:
        try:
            if error[0] is None:
                self.write("[]\n" if self._is_empty else "\n]\n")
        except DataError:
            super().__exit__(*sys.exc_info())
            raise
        super().__exit__(*error)
