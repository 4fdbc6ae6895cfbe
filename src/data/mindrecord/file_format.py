"""MindRecord files written without MindSpore, which takes seconds and hundreds of megabytes to load in every
process that writes.

The files are those of MindSpore's own FileWriter (version 3.0 of the format), byte for byte, when it is given
all rows at once and the same page size: `tests/data/mindrecord/test_file_format.py` compares them. Fields are
image_id (int64), annotation and picture (bytes).

A file is a header of 64 KB (its length, then JSON), pages of rows, and a last page with the image ids; page i
begins at header + i * page size. With pages of up to 256 MB hardly anything is padding. `NAME.db` beside it
is SQLite's table of where each row lies (`file_index.py`).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import BinaryIO, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .file_index import write_index
from .row_format import ROW_EXTRA, RowRange, row_head

# Bytes of the header.
HEADER = 1 << 16
# MindRecord's limit of a page in bytes, and so a row's.
LARGEST_PAGE = 1 << 28
_SMALLEST_PAGE = 1 << 15


class WrittenRow(NamedTuple):
    """Where a row was written.

    Attributes:
        offset: in the file, in bytes.
        crc: the crc32 of the row's bytes.
    """

    offset: int
    crc: int


class PageLayout(NamedTuple):
    """How rows are divided into pages.

    Attributes:
        page_size: bytes of every page.
        pages: the rows of each page.
    """

    page_size: int
    pages: List[RowRange]


class MindRecordWriter:
    """Writes one file and its index.

    Args:
        path: of the file.
        sizes: bytes of each row's annotation and picture together.
        image_ids: of each row.

    Attributes:
        crc: the crc32 of the whole file, once all of it is written.
    """

    def __init__(self, path: str, sizes: Sequence[int], image_ids: Sequence[int]):
        self.path = path
        self.image_ids = image_ids
        self.sizes = np.asarray(sizes, np.int64) + ROW_EXTRA
        self.layout = divide_into_pages(self.sizes)
        self.packed_ids = [_packed_id(image_id) for image_id in image_ids]
        self.id_offsets = np.concatenate([[0], np.cumsum([len(packed) for packed in self.packed_ids])])
        self.crc: Optional[int] = None

    def write(self, rows: Iterable[Tuple[bytes, bytes]]) -> Iterator[WrittenRow]:
        """Write all rows; a generator that gives each row's position after writing it.

        The file is whole when the generator has ended.

        Args:
            rows: (annotation, picture) of each row, read as they are written, so that memory holds one row.

        Raises:
            OSError: the disk is full or read-only.
        """
        name = os.path.basename(self.path)
        with open(self.path, "wb", buffering=1 << 20) as file:
            output = _ChecksumFile(file)
            output.write(_header(name, self.layout, self.sizes, self.id_offsets))
            yield from self._write_pages(output, iter(rows))
            for packed in self.packed_ids:
                output.write(packed)
        write_index(f"{self.path}.db", name, self.layout.pages, self.sizes, self.image_ids, self.id_offsets)
        self.crc = output.crc

    def _write_pages(
        self, output: _ChecksumFile, rows: Iterator[Tuple[bytes, bytes]]
    ) -> Iterator[WrittenRow]:
        """Write the pages of rows, each one padded to its full size."""
        page_size = self.layout.page_size
        for number, page in enumerate(self.layout.pages):
            offset = HEADER + number * page_size
            for size, (annotation, picture) in zip(self.sizes[page.first : page.end].tolist(), rows):
                head = row_head(len(annotation), len(picture))
                crc = 0
                for part in (head.before_annotation, annotation, head.before_picture, picture):
                    output.write(part)
                    crc = zlib.crc32(part, crc)
                yield WrittenRow(offset, crc)
                offset += size
            padding = HEADER + (number + 1) * page_size - offset
            output.write(bytes(padding))


class _ChecksumFile:
    """A file that is written from front to back; `crc` is the crc32 of its bytes so far."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.crc = 0

    def write(self, data: bytes) -> None:
        self.crc = zlib.crc32(data, self.crc)
        self.file.write(data)


def divide_into_pages(sizes: np.ndarray) -> PageLayout:
    """Rows in one page, or in as few as the limit allows.

    Args:
        sizes: int64 [rows], bytes of each row.
    """
    total = int(sizes.sum())
    largest = int(sizes.max())
    if total <= LARGEST_PAGE:
        return PageLayout(max(-(-total // 4) * 4, _SMALLEST_PAGE), [RowRange(0, len(sizes))])
    # All pages but the last are as long as the longest, so they should be alike in size.
    count = -(-total // max(LARGEST_PAGE - largest, LARGEST_PAGE // 2))
    page_size = min(LARGEST_PAGE, (total // count + largest + 4) // 4 * 4)
    pages = []
    first = 0
    filled = 0
    for row, size in enumerate(sizes.tolist()):
        if filled + size > page_size:
            pages.append(RowRange(first, row))
            first = row
            filled = 0
        filled += size
    pages.append(RowRange(first, len(sizes)))
    return PageLayout(page_size, pages)


class _IntegerForm(NamedTuple):
    """How MessagePack writes integers up to a limit.

    Attributes:
        limit: the last integer of this form, counted from zero.
        mark: the byte before the integer, or None where there is none.
        layout: of the integer, for `struct`.
    """

    limit: int
    mark: Optional[int]
    layout: str


# https://github.com/msgpack/msgpack/blob/master/spec.md
_POSITIVE_FORMS = (
    _IntegerForm(0x7F, None, ">B"),
    _IntegerForm(0xFF, 0xCC, ">B"),
    _IntegerForm(0xFFFF, 0xCD, ">H"),
    _IntegerForm(0xFFFFFFFF, 0xCE, ">I"),
    _IntegerForm(2**64 - 1, 0xCF, ">Q"),
)
_NEGATIVE_FORMS = (
    _IntegerForm(-32, None, ">b"),
    _IntegerForm(-128, 0xD0, ">b"),
    _IntegerForm(-(2**15), 0xD1, ">h"),
    _IntegerForm(-(2**31), 0xD2, ">i"),
    _IntegerForm(-(2**63), 0xD3, ">q"),
)


def _packed_id(image_id: int) -> bytes:
    """A row of the last page: its length, and {"image_id": number} as MessagePack."""
    if image_id >= 0:
        form = next(form for form in _POSITIVE_FORMS if image_id <= form.limit)
    else:
        form = next(form for form in _NEGATIVE_FORMS if image_id >= form.limit)
    mark = b"" if form.mark is None else bytes([form.mark])
    packed = b"\x81\xa8image_id" + mark + struct.pack(form.layout, image_id)
    return struct.pack("<Q", len(packed)) + packed


def _header(name: str, layout: PageLayout, sizes: np.ndarray, id_offsets: np.ndarray) -> bytes:
    """The header of a file: its length, JSON, and zeros up to HEADER bytes.

    Args:
        name: the file's, without a folder.
        layout: the pages.
        sizes: int64 [rows], bytes of each row.
        id_offsets: int64 [rows + 1], where in the last page each row's image id begins, in bytes.
    """
    fields = {"annotation": {"type": "bytes"}, "image_id": {"type": "int64"}, "picture": {"type": "bytes"}}
    header = {
        "header_size": HEADER,
        "index_fields": [{"index_field": "image_id", "schema_id": 0}],
        "page": _described_pages(layout.pages, sizes, id_offsets),
        "page_size": layout.page_size,
        "compression_size": 0,
        "schema": [{"blob_fields": ["annotation", "picture"], "desc": "mask r-cnn", "schema": fields}],
        "shard_addresses": [name],
        "shard_id": 0,
        "statistics": None,
        "version": "3.0",
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return (struct.pack("<Q", len(text)) + text).ljust(HEADER, b"\0")


def _described_pages(pages: Sequence[RowRange], sizes: np.ndarray, id_offsets: np.ndarray) -> List[dict]:
    """The pages of a header, the last one that of the image ids. The arguments are those of `_header`."""
    described = []
    for number, page in enumerate(pages):
        described.append(
            {
                "end_row_id": page.end,
                "page_id": number,
                "page_size": int(sizes[page.first : page.end].sum()),
                "page_type": "BLOB_DATA",
                "page_type_id": number,
                "row_group_ids": [{"id": 0, "offset": 0}],
                "shard_id": 0,
                "start_row_id": page.first,
            }
        )
    groups = [{"id": number, "offset": int(id_offsets[page.first])} for number, page in enumerate(pages)]
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
    return described
