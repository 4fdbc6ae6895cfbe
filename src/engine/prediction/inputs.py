"""Which files a command's words name: files, folders with all below them, patterns. Standard library only."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Union

from ...data.picture_suffixes import PICTURE_SUFFIXES
from ...errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


def is_video(path: Union[str, Path]) -> bool:
    """Whether a path has the suffix of a video."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def find_inputs(words: Sequence[Union[str, Path]], left_out: Optional[Path] = None) -> List[str]:
    """The files that words name, in their order; those of a folder or pattern sorted.

    Args:
        words: Files; folders, of which all pictures and videos are taken, nested ones too; patterns such as
            "photos/*.jpg", in which ** stands for any folders.
        left_out: A folder that is passed over in other folders and by patterns: that of the command's own
            drawings.

    Raises:
        DataError: A word names nothing, or a folder cannot be read.
    """
    files: List[str] = []
    for word in map(str, words):
        if os.path.isfile(word):
            files.append(word)
        elif os.path.isdir(word):
            found = list(_files_below(word, left_out))
            if not found:
                kinds = ", ".join((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES))
                raise DataError(f"folder {word}: no picture or video is in it (files that end in {kinds})")
            files += found
        elif glob.has_magic(word):
            files += _files_of_pattern(word, left_out)
        else:
            raise DataError(f"picture {word}: No such file or directory")
    return files


def _files_below(folder: str, left_out: Optional[Path]) -> Iterator[str]:
    """The pictures and videos in a folder and all folders in it; hidden ones are passed over."""

    def refuse(error: OSError) -> None:
        raise DataError(f"folder {error.filename}: {error.strerror or error}") from None

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not _is_same(os.path.join(parent, name), left_out)
        )
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            if suffix in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES) and not name.startswith("."):
                yield os.path.join(parent, name)


def _files_of_pattern(pattern: str, left_out: Optional[Path]) -> List[str]:
    files: List[str] = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        if _is_in(path, left_out):
            continue
        files += [path] if os.path.isfile(path) else _files_below(path, left_out)
    if not files:
        raise DataError(f"pattern {pattern}: no file has such a name")
    return list(dict.fromkeys(map(os.path.normpath, files)))  # ** matches a folder, and what is in it


def _is_in(path: str, folder: Optional[Path]) -> bool:
    """Whether a path is a folder or something in it."""
    return folder is not None and Path(os.path.realpath(folder)) in (
        Path(os.path.realpath(path)),
        *Path(os.path.realpath(path)).parents,
    )


def _is_same(path: str, other: Optional[Path]) -> bool:
    return other is not None and os.path.realpath(path) == os.path.realpath(other)
