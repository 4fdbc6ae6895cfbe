"""MindRecord files written without MindSpore, which takes seconds and hundreds of megabytes to load in every
process that writes.

The files are those of MindSpore's own FileWriter (version 3.0 of the format), byte for byte, when it is given
all rows at once and the same page size: `tests/data/mindrecord/test_file_format.py` compares them. Fields are
image_id (int64), annotation and picture (bytes).

A file is a header of 64 KB (its length, then JSON), pages of rows, and a last page with the image ids; page i
begins at header + i * page size. With pages of up to 256 MB hardly anything is padding. `NAME.db` beside it
is SQLite's table of where each row lies.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import zlib

import numpy as np

from .row_format import ROW_EXTRA, row_head

HEADER = 1 << 16
LARGEST_PAGE = 1 << 28  # MindRecord's limit, and so a row's
_SMALLEST_PAGE = 1 << 15
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


def write_mindrecord(path, sizes, image_ids, rows):
    """Write one file and its index.

    A generator that gives (offset, crc32) of each row after writing it, and last the whole file's crc32.

    sizes: bytes of each row's annotation and picture together; image_ids: of each row; rows: gives
        (annotation, picture) bytes in turn, read as they are written, so that memory holds one row. Raises
        OSError for a disk that is full or read-only.
    """
    sizes = np.asarray(sizes, np.int64) + ROW_EXTRA
    page, pages = _pages(sizes)
    ids = [_packed_id(image_id) for image_id in image_ids]
    id_offsets = np.concatenate([[0], np.cumsum([len(packed) for packed in ids])])
    with open(path, "wb", buffering=1 << 20) as file:
        file_crc = 0

        def write(data):
            nonlocal file_crc
            file_crc = zlib.crc32(data, file_crc)
            file.write(data)

        write(_header(os.path.basename(path), page, pages, sizes, id_offsets))
        rows = iter(rows)
        for number, (first, end) in enumerate(pages):
            offset = HEADER + number * page
            for size, (annotation, picture) in zip(sizes[first:end].tolist(), rows):
                head, middle = row_head(len(annotation), len(picture))
                crc = 0
                for part in (head, annotation, middle, picture):
                    write(part)
                    crc = zlib.crc32(part, crc)
                yield offset, crc
                offset += size
            write(bytes(HEADER + (number + 1) * page - offset))
        for packed in ids:
            write(packed)
    _write_index(f"{path}.db", os.path.basename(path), pages, sizes, image_ids, id_offsets)
    yield file_crc


def _pages(sizes):
    """(page size in bytes, [(first row, row behind the last) of each page]): one page, or as few as the limit
    allows.
    """
    total, largest = int(sizes.sum()), int(sizes.max())
    if total <= LARGEST_PAGE:
        return max(-(-total // 4) * 4, _SMALLEST_PAGE), [(0, len(sizes))]
    # pages alike in size, as all but the last are as long as the longest
    count = -(-total // max(LARGEST_PAGE - largest, LARGEST_PAGE // 2))
    page = min(LARGEST_PAGE, (total // count + largest + 4) // 4 * 4)
    pages, first, filled = [], 0, 0
    for row, size in enumerate(sizes.tolist()):
        if filled + size > page:
            pages.append((first, row))
            first, filled = row, 0
        filled += size
    return page, [*pages, (first, len(sizes))]


def _packed_id(image_id):
    """A row of the last page: its length, and {"image_id": number} as MessagePack.

    https://github.com/msgpack/msgpack/blob/master/spec.md
    """
    if image_id >= 0:
        kinds = (
            (0x7F, None, ">B"),
            (0xFF, 0xCC, ">B"),
            (0xFFFF, 0xCD, ">H"),
            (0xFFFFFFFF, 0xCE, ">I"),
            (2**64 - 1, 0xCF, ">Q"),
        )
        mark, form = next((mark, form) for limit, mark, form in kinds if image_id <= limit)
    else:
        kinds = (
            (-32, None, ">b"),
            (-128, 0xD0, ">b"),
            (-(2**15), 0xD1, ">h"),
            (-(2**31), 0xD2, ">i"),
            (-(2**63), 0xD3, ">q"),
        )
        mark, form = next((mark, form) for limit, mark, form in kinds if image_id >= limit)
    packed = b"\x81\xa8image_id" + (b"" if mark is None else bytes([mark])) + struct.pack(form, image_id)
    return struct.pack("<Q", len(packed)) + packed


def _header(name, page, pages, sizes, id_offsets):
    described = []
    for number, (first, end) in enumerate(pages):
        described.append(
            {
                "end_row_id": end,
                "page_id": number,
                "page_size": int(sizes[first:end].sum()),
                "page_type": "BLOB_DATA",
                "page_type_id": number,
                "row_group_ids": [{"id": 0, "offset": 0}],
                "shard_id": 0,
                "start_row_id": first,
            }
        )
    groups = [{"id": number, "offset": int(id_offsets[first])} for number, (first, _) in enumerate(pages)]
    described.append(
        {
            "end_row_id": 0,
            "page_id": len(pages),
            "page_size": int(id_offsets[-1]),
            "page_type": "RAW_DATA",
            "page_type_id": 0,
            "row_group_ids": groups,
            "shard_id": 0,
            "start_row_id": 0,
        }
    )
    fields = {"annotation": {"type": "bytes"}, "image_id": {"type": "int64"}, "picture": {"type": "bytes"}}
    header = {
        "header_size": HEADER,
        "index_fields": [{"index_field": "image_id", "schema_id": 0}],
        "page": described,
        "page_size": page,
        "compression_size": 0,
        "schema": [{"blob_fields": ["annotation", "picture"], "desc": "mask r-cnn", "schema": fields}],
        "shard_addresses": [name],
        "shard_id": 0,
        "statistics": None,
        "version": "3.0",
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return (struct.pack("<Q", len(text)) + text).ljust(HEADER, b"\0")


def _write_index(path, name, pages, sizes, image_ids, id_offsets):
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    columns = ", ".join(f"{column} INT NOT NULL" for column in _COLUMNS)
    rows = []
    for number, (first, end) in enumerate(pages):
        offsets = np.concatenate([[0], np.cumsum(sizes[first:end])]).tolist()
        for row, image_id in enumerate(image_ids[first:end], first):
            rows.append(
                (
                    row,
                    len(pages),
                    int(id_offsets[row]),
                    int(id_offsets[row + 1]),
                    number,
                    number,
                    offsets[row - first],
                    offsets[row - first + 1],
                    0,
                    int(image_id),
                )
            )
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            # nothing to roll back to: a conversion that is cut short writes the file again
            database.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                f"CREATE TABLE INDEXES({columns}, INC_0 INT, image_id_0 INTEGER, PRIMARY KEY(ROW_ID, INC_0));"
                "CREATE TABLE SHARD_NAME(NAME TEXT NOT NULL);"
            )
            with database:
                database.execute("INSERT INTO SHARD_NAME VALUES(?)", (name,))
                database.executemany(f"INSERT INTO INDEXES VALUES({','.join('?' * 10)})", rows)
    except sqlite3.Error as error:
        raise OSError(f"index {path}: {error}") from None
