"""Text files that have their names only when they are whole: they are written beside and renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Union

from ...errors import DataError


class WholeFile:
    """A text file that is written piece by piece. Use it as a context manager: an error leaves no part of it.

    Args:
        path: The file. Its folder is made.

    Raises:
        DataError: The file cannot be written; so do the methods.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        self._partial = self.path.with_name(self.path.name + ".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._partial, "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._problem(error) from None

    def write(self, text: str) -> None:
        """Add text."""
        try:
            self._file.write(text)
        except OSError as error:
            raise self._problem(error) from None

    def __enter__(self) -> WholeFile:
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            self._file.close()
            if kind is None:
                os.replace(self._partial, self.path)
            else:
                self._partial.unlink(missing_ok=True)
        except OSError as error:
            raise self._problem(error) from None

    def _problem(self, error: OSError) -> DataError:
        return DataError(f"{self.path}: {error.strerror or error}; choose a folder that can be written")


class JsonList(WholeFile):
    """A JSON file with a list that grows in the file and never in memory."""

    def __init__(self, path: Union[str, Path]):
        super().__init__(path)
        self._is_empty = True

    def append(self, item: Any) -> None:
        """Write one more item, on a line of its own."""
        self.write(("[\n" if self._is_empty else ",\n") + json.dumps(item, ensure_ascii=False))
        self._is_empty = False

    def __exit__(self, kind, *rest) -> None:
        if kind is None:
            self.write("[]\n" if self._is_empty else "\n]\n")
        super().__exit__(kind, *rest)
