"""Finding and reading label files: what cannot be read becomes a finding, and reading goes on if it may."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Set, Tuple

from ...errors import DataError
from ..annotations.mending.encodings import decode_text
from ..findings import Findings

LOOKED_AT = 20  # label files that are opened to tell a form
HEAD = 65_536  # bytes of a file's beginning


def files_below(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """The files of a folder and its subfolders with one of these endings, in order, without hidden ones.

    Args:
        folder: the folder; a file is its own only one.
        suffixes: in small letters, with their dots.
    """
    if folder.is_file():
        if folder.suffix.lower() in suffixes:
            yield folder
        return
    for path, _, names in walk(folder):
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes:
                yield Path(path, name)


def walk(root: Path) -> Iterator[Tuple[str, List[str], List[str]]]:
    """`os.walk` in order of the names, without hidden folders. Folders may be taken from its lists.

    Links to folders elsewhere are followed, as large data sets often lie on another disk. Those to folders
    within the root, or around it, are not: these are walked anyway, or without an end.
    """
    seen: Set[str] = set()
    own = os.path.join(os.path.realpath(root), "")
    for path, folders, names in os.walk(root, followlinks=True):
        wanted = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in wanted if _is_followed(os.path.join(path, name), own, seen)]
        yield path, folders, sorted(names)


def _is_followed(folder: str, own: str, seen: Set[str]) -> bool:
    if not os.path.islink(folder):
        return True
    real = os.path.join(os.path.realpath(folder), "")
    if real.startswith(own) or own.startswith(real) or real in seen:
        return False
    seen.add(real)
    return True


def first_files(folder: Path, suffixes: Sequence[str], count: int = LOOKED_AT) -> List[Path]:
    """The first files of `files_below`, for telling a form."""
    return list(islice(files_below(folder, suffixes), count))


def head(path: Path) -> str:
    """The beginning of a file as text, for telling a form; "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(HEAD)
    except OSError:
        return ""
    encoding = json.detect_encoding(data)
    return data.decode(encoding, "ignore").lstrip("\ufeff")


def tail(path: Path) -> str:
    """The end of a file as text, for telling a form; "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - HEAD))
            return file.read(HEAD).decode("utf-8", "ignore")
    except OSError:
        return ""


def place_of(path: Path, root: Path) -> str:
    """A label file's name in findings: relative to the source."""
    return path.name if root.is_file() else os.path.relpath(path, root).replace(os.sep, "/")


def read_bytes(path: Path, place: str, findings: Findings) -> Optional[bytes]:
    """A label file's bytes; None, with a finding, where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        findings.add("label_file_unreadable", place, detail=getattr(error, "strerror", None) or str(error))
        return None


def read_text(path: Path, place: str, findings: Findings) -> Optional[str]:
    """A label file's text; None, with a finding, where it cannot be read or is no text."""
    data = read_bytes(path, place, findings)
    if data is None:
        return None
    probe = Findings(place, collect=True)
    try:
        return decode_text(data, probe)
    except DataError:
        problem = probe.listed["file_syntax"][-1]
    findings.add("label_file_syntax", f"{place}: {problem.location}", detail=problem.detail)
    return None


def read_json(path: Path, place: str, findings: Findings) -> Any:
    """A label file's JSON value; None, with a finding, where there is none."""
    text = read_text(path, place, findings)
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        is_end = error.pos >= len(error.doc.rstrip()) - 1
        detail = f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        detail += " (it is cut off, or empty)" if is_end else ""
    except (ValueError, RecursionError) as error:
        detail = f"not JSON that can be read: {' '.join(str(error).split())[:120]}"
    findings.add("label_file_syntax", place, detail=detail)
    return None
