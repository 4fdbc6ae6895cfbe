"""Output folders and files are tried before long work, so that no result is lost for want of a folder."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Union

from ..errors import ConfigError


def prepare_output_folder(path: Union[str, Path], option: str = "") -> Path:
    """Make a folder where it is missing, and try to write a file in it.

    Args:
        path: The folder.
        option: What the user wrote it with, such as "--out", for the message.

    Returns:
        The folder.

    Raises:
        ConfigError: Nothing can be written there: path, reason and what to do.
    """
    folder = Path(path)
    _try_folder(folder, f"{option} {folder}".strip())
    return folder


def prepare_output_file(path: Union[str, Path], option: str = "") -> Path:
    """`prepare_output_folder` for the folder of a file; the file itself may be there, a folder may not.

    Returns:
        The file's path.

    Raises:
        ConfigError: The file cannot be written.
    """
    file = Path(path)
    words = f"{option} {file}".strip()
    try:
        if file.is_dir():
            raise ConfigError(f"{words}: is a folder; choose another name for the file")
        os.lstat(file.parent / (file.name + ".partial"))  # what is written beside it has a longer name
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigError(f"{words}: {_reason(file, error)}") from None
    _try_folder(file.parent, words)
    return file


def _try_folder(folder: Path, words: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".write-test-") as file:
            file.write(b"test")
            file.flush()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ConfigError(f"{words}: {_reason(folder, error)}") from None


def _reason(path, error):
    """Why a path cannot be written to, and what to do."""
    code = getattr(error, "errno", None)
    obstacle = _obstacle(path)
    if code == errno.ELOOP or (obstacle is not None and _leads_to_itself(obstacle)):
        return "the link leads to itself; choose another folder"
    if obstacle is not None and obstacle.is_symlink() and not obstacle.exists():
        return (
            f"{obstacle} is a link to {os.readlink(obstacle)}, which does not exist; "
            "make that folder or choose another"
        )
    if obstacle is not None:
        return f"{obstacle} is a file, not a folder; choose another folder or move the file away"
    if code == errno.ENAMETOOLONG:
        return "the name is too long for the file system; choose a shorter one"
    if code == errno.ENOSPC:
        return "the disk is full; free some space or choose a folder on another disk"
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return f"nothing can be written there ({reason}); choose a folder that can be written"


def _obstacle(path):
    """The file or dangling link that stands where `path` needs a folder, or None."""
    for part in (path, *path.parents):
        try:
            os.lstat(part)
            return None if part.is_dir() else part
        except (OSError, ValueError):
            continue  # it does not exist; what is above it may
    return None


def _leads_to_itself(link):
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False
