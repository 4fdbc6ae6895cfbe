"""A folder that is there whole or not at all: it is written as FOLDER.partial and renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Iterable, Iterator, TextIO, Union

from ...errors import ConfigError, DataError
from ..output_folder import prepare_output_folder

_LOCK = ".being-written"  # in FOLDER.partial; who holds it writes there


def check_free(out: Path, overwrite: bool) -> None:
    """Raise ConfigError where a folder's name is taken by something that may not be replaced."""
    if os.path.islink(out):
        raise ConfigError(f"{out}: is a link; write to the folder that it leads to, or choose another name")
    try:
        if os.path.lexists(out) and not out.is_dir():
            raise ConfigError(f"{out}: is a file; choose another name for the folder")
        is_taken = is_not_empty(out)
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror or error}; choose another folder") from None
    if is_taken and not overwrite:
        raise ConfigError(f"{out}: is not empty; choose another folder, or --overwrite to replace it")
    real = Path(os.path.realpath(out))
    for word, what in ((os.curdir, "the working folder"), ("~", "your home folder")):
        place = Path(os.path.realpath(os.path.expanduser(word)))
        if is_taken and (real == place or real in place.parents):
            raise ConfigError(f"{out}: {what} is in it, so it is not replaced; choose another folder")


def is_not_empty(folder: Path) -> bool:
    """Whether a folder is there and has anything in it. Raises OSError where it cannot be read."""
    return folder.is_dir() and any(folder.iterdir())


def check_outside(out: Path, paths: Iterable[Union[str, Path]]) -> None:
    """Raise ConfigError where a file that is read is in a folder that would be replaced."""
    if not is_not_empty(out):
        return
    start = os.path.join(os.path.realpath(out), "")
    for path in paths:
        if os.path.realpath(path).startswith(start):
            raise ConfigError(f"{out}: {path} is in it: what is read is not replaced; choose another folder")


@contextlib.contextmanager
def whole_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write to, which becomes `out` where the block ends without an error.

    After an error it is removed. What a killed process left of it is replaced. Another process that writes
    it now is an error, and so is a folder of its name that no such process left.

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
    with _begin(partial):
        try:
            yield partial
            _take_place(partial, out)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise DataError(
                f"{error.filename or out}: {error.strerror or error}; {out} is not written"
            ) from None
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    with contextlib.suppress(OSError):  # its name is hidden, and another process may have replaced the folder
        (out / _LOCK).unlink()


def _begin(partial: Path) -> TextIO:
    """Make the folder and lock it; what a killed process left in it is removed.

    The lock is held until after the folder is renamed or removed. Only a folder with the lock's file is what
    a killed process left: no other is touched.
    """
    if os.path.lexists(partial) and (partial.is_symlink() or not partial.is_dir()):
        raise ConfigError(f"{partial}: is in the way; move it, or choose another folder")
    try:
        if is_not_empty(partial) and not (partial / _LOCK).is_file():
            raise ConfigError(f"{partial}: is in the way and not empty; move it, or choose another folder")
        partial.mkdir(exist_ok=True)
        lock = open(partial / _LOCK, "a", encoding="utf-8")  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        raise DataError(
            f"{partial}: {error.strerror or error}; remove it, or choose another folder"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # the process that had the lock may have removed or renamed the folder meanwhile
        is_there = os.path.samestat(os.fstat(lock.fileno()), os.stat(partial / _LOCK))
    except (BlockingIOError, FileNotFoundError):
        is_there = False
    if not is_there:
        lock.close()
        raise ConfigError(f"{partial}: another process is writing it; wait for it, or choose another folder")
    try:
        _empty(partial)
    except OSError as error:
        lock.close()
        raise DataError(
            f"{error.filename or partial}: {error.strerror or error}; remove {partial}, or choose another "
            "folder"
        ) from None
    return lock


def _empty(partial: Path) -> None:
    """Remove all that is in the folder but the lock's file."""
    for path in partial.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _take_place(partial: Path, out: Path) -> None:
    """Rename the folder; one that has the name is replaced, and no other folder is touched."""
    if not is_not_empty(out):
        os.rename(partial, out)
        return
    replaced = _free_name(out)
    os.rename(out, replaced)
    try:
        os.rename(partial, out)
    except BaseException:
        os.rename(replaced, out)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _free_name(out: Path) -> Path:
    """A name beside a folder that nothing has."""
    number = 1
    while True:
        path = out.with_name(f"{out.name}.replaced{number if number > 1 else ''}")
        if not os.path.lexists(path):
            return path
        number += 1
