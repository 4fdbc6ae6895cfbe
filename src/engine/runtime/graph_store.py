"""The files of kept graphs: one folder a graph, one subfolder a rank, a checksum beside every graph."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Optional, Tuple


class GraphStore:
    """One rank's graph in its folder. A new graph is written beside the folder and moved there when complete.

    Use it as a context manager: what was not kept is deleted at its end.

    Args:
        folder: The graph's folder.
        rank: This process.

    Attributes:
        used_folder: The folder that MindSpore is to read from, or to write to.
    """

    def __init__(self, folder: Path, rank: int):
        self.folder = folder
        self._rank_folder = folder / f"rank_{rank}"
        self._state_found = self._state() if self._is_whole() else None
        if self._state_found is None:
            self.used_folder = Path(tempfile.mkdtemp(".partial", f"{folder.name}.", folder.parent))
        else:
            self.used_folder = folder
            with contextlib.suppress(
                OSError
            ):  # another user's folder, or another process has just deleted it
                os.utime(folder)

    def __enter__(self) -> GraphStore:
        return self

    def __exit__(self, *_) -> None:
        if self.used_folder != self.folder:
            shutil.rmtree(self.used_folder, ignore_errors=True)

    def was_read(self) -> bool:
        """Whether the graph was there and MindSpore has not written it anew."""
        return self._state_found is not None and self._state() == self._state_found

    def keep(self) -> None:
        """Move the graph that MindSpore has written into its folder.

        Raises:
            OSError: MindSpore has not written it.
        """
        written = self.used_folder / self._rank_folder.name
        # When MindSpore cannot write a graph it only logs that, and leaves a part of the file. The digest of
        # the sources is what it writes last.
        digests = written.glob("graph_cache/*compile_dependency.hash")
        if graph_file(written) is None or not any(path.stat().st_size for path in digests):
            raise OSError(errno.EIO, "MindSpore could not write the graph")
        (written / "crc32").write_text(_checksum(graph_file(written)))
        if written != self._rank_folder:
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(self._rank_folder, ignore_errors=True)  # a damaged graph
            with contextlib.suppress(OSError):  # another process has just kept the same graph
                os.rename(written, self._rank_folder)

    def _state(self) -> Optional[Tuple[int, int, int]]:
        """What changes when the graph's file is written anew; None without a file."""
        with contextlib.suppress(OSError, AttributeError):
            found = graph_file(self._rank_folder).stat()
            return found.st_ino, found.st_size, found.st_mtime_ns
        return None

    def _is_whole(self) -> bool:
        """Whether the graph is there and its checksum is right."""
        try:
            file = graph_file(self._rank_folder)
            return file is not None and (self._rank_folder / "crc32").read_text() == _checksum(file)
        except OSError:
            return False


def graph_file(rank_folder: Path) -> Optional[Path]:
    """MindSpore's file of a rank's graph, whose name depends on the process's role; None if there is none."""
    return next((rank_folder / "graph_cache").glob("*compile_cache_0.mindir"), None)


def prune(root: Path, count: int) -> None:
    """Delete all graphs but the `count` that were used last."""
    folders = []
    for entry in os.scandir(root):
        with contextlib.suppress(OSError):  # another process deletes folders too
            folders.append((entry.stat().st_mtime, entry.path))
    for _, path in sorted(folders, reverse=True)[count:]:
        shutil.rmtree(path, ignore_errors=True)


def _checksum(path: Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"
