"""Random access to stored rows, without MindSpore.

A fork of a process that runs MindSpore may hang, and loading MindSpore takes seconds and hundreds of
megabytes. So worker processes read rows by their offsets, one `pread` a row, and check their checksums.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Union

from ...errors import DataError
from .manifest import MANIFEST, Manifest, load_manifest, load_rows
from .row_format import StoredObjects, split_row, unpack_objects


class StoredRow(NamedTuple):
    """A row as it is stored.

    Attributes:
        objects: the annotation.
        picture: the bytes of the picture file.
    """

    objects: StoredObjects
    picture: memoryview


class ShardReader:
    """Random access to a conversion's rows, for one process; files are opened when first needed.

    Args:
        folder: of the conversion.
        manifest: its Manifest, which is loaded if it is not given.

    Attributes:
        rows: the row index, a structured array of ROW_TYPE [pictures].

    Raises:
        DataError: the folder holds no whole conversion, or its row index is damaged.
    """

    def __init__(self, folder: Union[str, Path], manifest: Optional[Manifest] = None):
        self.folder = Path(folder)
        manifest = manifest or load_manifest(folder)
        if manifest is None:
            raise DataError(f"{folder}: no whole conversion (no {MANIFEST})")
        self._files = [self.folder / shard["file"] for shard in manifest.shards]
        self._handles: Dict[int, int] = {}
        self.rows = load_rows(folder, manifest)

    def read(self, row: int) -> StoredRow:
        """Read a row.

        Raises:
            DataError: the shard cannot be read, or its bytes are not what was written.
        """
        entry = self.rows[row]
        shard = int(entry["shard"])
        path = self._files[shard]
        try:
            if shard not in self._handles:
                self._handles[shard] = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            data = os.pread(self._handles[shard], int(entry["size"]), int(entry["offset"]))
        except OSError as error:
            raise DataError(f"shard {path}: {error.strerror or error}") from None
        if zlib.crc32(data) != int(entry["crc"]):
            raise DataError(
                f"shard {path}: the row of image {int(entry['image_id'])} is damaged; delete "
                f"{self.folder} to convert anew"
            )
        annotation, picture = split_row(data)
        return StoredRow(unpack_objects(annotation), picture)

    def close(self) -> None:
        """Close the files."""
        while self._handles:
            _, handle = self._handles.popitem()
            os.close(handle)
