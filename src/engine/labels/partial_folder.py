"""A folder that is there whole or not at all: it is written as FOLDER.partial and renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Iterator

from ...errors import ConfigError, DataError
from ..output_folder import prepare_output_folder

_LOCK = ".being-written"


def check_free(out: Path, overwrite: bool) -> None:
    """Raise ConfigError where a folder's name is taken by something that may not be replaced."""
    if os.path.lexists(out) and not out.is_dir():
        raise ConfigError(f"{out}: is a file; choose another name for the folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ConfigError(f"{out}: is not empty; choose another folder, or --overwrite to replace it")


@contextlib.contextmanager
def whole_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write to, which becomes `out` where the block ends without an error.

    After an error it is removed. What a killed process left of it is replaced. Another process that writes
    it now is an error.

    Args:
        out: the folder, which is not there, or empty.
        overwrite: a folder that is not empty is replaced, at the end.

    Raises:
        ConfigError: the name is taken, or nothing can be written there.
        DataError: the disk is full, or the like.
    """
    check_free(out, overwrite)
    prepare_output_folder(out.parent)
    partial = out.with_name(out.name + ".partial")
    _begin(partial)
    try:
        with open(partial / _LOCK, "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield partial
            (partial / _LOCK).unlink()
            _take_place(partial, out)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(f"{error.filename or out}: {error.strerror or error}; {out} is not written") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _begin(partial: Path) -> None:
    """Make the folder; what a killed process left of it is removed."""
    busy = ConfigError(f"{partial}: another process is writing it; wait for it, or choose another folder")
    try:
        if os.path.lexists(partial):
            with contextlib.suppress(FileNotFoundError), open(partial / _LOCK, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(partial)
        partial.mkdir()
    except (BlockingIOError, FileExistsError):
        raise busy from None
    except OSError as error:
        raise DataError(
            f"{partial}: {error.strerror or error}; remove it, or choose another folder"
        ) from None


def _take_place(partial: Path, out: Path) -> None:
    """Rename the folder; one that has the name is replaced."""
    replaced = out.with_name(out.name + ".replaced")
    if out.is_dir() and any(out.iterdir()):
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(out, replaced)
    os.rename(partial, out)
    shutil.rmtree(replaced, ignore_errors=True)
