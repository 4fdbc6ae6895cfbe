"""Files that have their names only when they are whole: they are written beside and renamed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, Union

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
