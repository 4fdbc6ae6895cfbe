"""The index that MindSpore's readers want beside a MindRecord file: `NAME.db`, a SQLite database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import Iterator, NamedTuple, Sequence

import numpy as np

from .row_format import RowRange

_COLUMNS = (
    "ROW_ID",
    "PAGE_ID_RAW",
    "PAGE_OFFSET_RAW",
    "PAGE_OFFSET_RAW_END",
    "ROW_GROUP_ID",
    "PAGE_ID_BLOB",
    "PAGE_OFFSET_BLOB",
    "PAGE_OFFSET_BLOB_END",
)


class _IndexRow(NamedTuple):
    """A row of the table INDEXES, its columns in their order.

    "raw" is the last page, with the image ids. "blob" is the page with the row's annotation and picture.
    Offsets are in bytes within the page; an end is the offset behind the last byte.
    """

    row_id: int
    page_id_raw: int
    page_offset_raw: int
    page_offset_raw_end: int
    row_group_id: int
    page_id_blob: int
    page_offset_blob: int
    page_offset_blob_end: int
    inc_0: int
    image_id_0: int


def write_index(
    path: str,
    name: str,
    pages: Sequence[RowRange],
    sizes: np.ndarray,
    image_ids: Sequence[int],
    id_offsets: np.ndarray,
) -> None:
    """Write the index of a MindRecord file.

    Args:
        path: of the index.
        name: of the MindRecord file, without a folder.
        pages: the rows of each page.
        sizes: int64 [rows], bytes of each row.
        image_ids: of each row.
        id_offsets: int64 [rows + 1], where in the last page each row's image id begins, in bytes.

    Raises:
        OSError: it cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    columns = ", ".join(f"{column} INT NOT NULL" for column in _COLUMNS)
    placeholders = ",".join("?" * len(_IndexRow._fields))
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            # without a journal: a conversion that is interrupted writes the file again
            database.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                f"CREATE TABLE INDEXES({columns}, INC_0 INT, image_id_0 INTEGER, PRIMARY KEY(ROW_ID, INC_0));"
                "CREATE TABLE SHARD_NAME(NAME TEXT NOT NULL);"
            )
            with database:
                database.execute("INSERT INTO SHARD_NAME VALUES(?)", (name,))
                database.executemany(
                    f"INSERT INTO INDEXES VALUES({placeholders})",
                    _index_rows(pages, sizes, image_ids, id_offsets),
                )
    except sqlite3.Error as error:
        raise OSError(f"index {path}: {error}") from None


def _index_rows(
    pages: Sequence[RowRange], sizes: np.ndarray, image_ids: Sequence[int], id_offsets: np.ndarray
) -> Iterator[_IndexRow]:
    """The table's rows. The arguments are those of `write_index`."""
    for number, page in enumerate(pages):
        offsets = np.concatenate([[0], np.cumsum(sizes[page.first : page.end])]).tolist()
        for position, row in enumerate(range(page.first, page.end)):
            yield _IndexRow(
                row_id=row,
                page_id_raw=len(pages),
                page_offset_raw=int(id_offsets[row]),
                page_offset_raw_end=int(id_offsets[row + 1]),
                row_group_id=number,
                page_id_blob=number,
                page_offset_blob=offsets[position],
                page_offset_blob_end=offsets[position + 1],
                inc_0=0,
                image_id_0=int(image_ids[row]),
            )
