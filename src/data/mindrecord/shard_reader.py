"""Random access to stored rows, without MindSpore.

A fork of a process that runs MindSpore may hang, and loading MindSpore takes seconds and hundreds of
megabytes. So worker processes read rows by their offsets, one `pread` a row, and check their checksums.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from ...errors import DataError
from .manifest import MANIFEST, load_manifest, load_rows
from .row_format import split_row, unpack_objects


class ShardReader:
    """Random access to a conversion's rows, for one process; files are opened when first needed."""

    def __init__(self, folder, manifest=None):
        self.folder = Path(folder)
        manifest = manifest or load_manifest(folder)
        if manifest is None:
            raise DataError(f"{folder}: no whole conversion (no {MANIFEST})")
        self._files = [self.folder / shard["file"] for shard in manifest.shards]
        self._handles = {}
        self.rows = load_rows(folder, manifest)

    def read(self, row):
        """(StoredObjects, picture bytes as a memoryview) of a row.

        Raises DataError naming the shard if its bytes are not what was written.
        """
        place = self.rows[row]
        shard = int(place["shard"])
        path = self._files[shard]
        try:
            if shard not in self._handles:
                self._handles[shard] = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            data = os.pread(self._handles[shard], int(place["size"]), int(place["offset"]))
        except OSError as error:
            raise DataError(f"shard {path}: {error.strerror or error}") from None
        if zlib.crc32(data) != int(place["crc"]):
            raise DataError(
                f"shard {path}: the row of image {int(place['image_id'])} is damaged; delete "
                f"{self.folder} to convert anew"
            )
        annotation, picture = split_row(data)
        return unpack_objects(annotation), picture

    def close(self):
        """Close the files."""
        while self._handles:
            os.close(self._handles.popitem()[1])
