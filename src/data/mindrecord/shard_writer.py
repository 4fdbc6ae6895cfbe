"""Writing one shard of a conversion.

A finished shard leaves three files: the shard, its rows of the index, and last a mark with its checksum. What
has no mark, or does not fit it, was interrupted and is written again.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Union

import numpy as np

from ...errors import DataError
from ..images.crop import crop_rle
from ..images.decode import check_header
from .file_format import LARGEST_PAGE, MindRecordWriter
from .manifest import file_crc
from .row_format import ROW_EXTRA, ROW_TYPE, StoredObjects, pack_objects
from .shard_plan import PlannedRow

# The rows between two reports of progress.
_REPORTED_ROWS = 32


@dataclass
class ShardTask:
    """One shard to write.

    Attributes:
        path: the shard's file.
        number: the shard's.
        rows: what it holds.
        has_masks: whether segmentations are stored.
    """

    path: str
    number: int
    rows: List[PlannedRow]
    has_masks: bool


class FinishedShard(NamedTuple):
    """A whole shard.

    Attributes:
        mark: its "rows", "bytes" and "crc".
        index: its rows of the row index, a structured array of ROW_TYPE.
    """

    mark: Dict[str, int]
    index: np.ndarray


def write_shard(task: ShardTask) -> Iterator[int]:
    """Write one shard and its mark; a generator that gives how many more rows are written.

    Raises:
        DataError: a picture cannot be stored, or the shard cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        os.remove(_mark_path(task.path))
    annotations = [_pack_annotation(row, task.has_masks) for row in task.rows]
    sizes = [len(annotation) + row.picture_size for annotation, row in zip(annotations, task.rows)]
    _check_row_sizes(task, sizes)
    index = _row_index(task, sizes)
    fields = ((annotation, _read_picture(row)) for annotation, row in zip(annotations, task.rows))
    try:
        writer = MindRecordWriter(task.path, sizes, index["image_id"].tolist())
        for row, written in enumerate(writer.write(fields)):
            index[row]["offset"] = written.offset
            index[row]["crc"] = written.crc
            if (row + 1) % _REPORTED_ROWS == 0:
                yield _REPORTED_ROWS
        np.save(_index_path(task.path), index)
        _write_mark(task.path, {"rows": len(index), "bytes": os.path.getsize(task.path), "crc": writer.crc})
    except OSError as error:
        raise DataError(f"cannot write shard {task.path}: {error.strerror or error}") from None
    yield len(index) % _REPORTED_ROWS


def _check_row_sizes(task: ShardTask, sizes: Iterable[int]) -> None:
    """DataError for a row that is larger than a page can be."""
    for row, size in zip(task.rows, sizes):
        if size + ROW_EXTRA > LARGEST_PAGE:
            raise DataError(
                f"picture {row.record.path}: over 256 MB, which MindRecord cannot hold; save it smaller"
            )


def _row_index(task: ShardTask, sizes: List[int]) -> np.ndarray:
    """A shard's rows of the row index, without the offsets and checksums.

    Args:
        sizes: bytes of each row's annotation and picture together.
    """
    index = np.zeros(len(task.rows), ROW_TYPE)
    index["shard"] = task.number
    index["size"] = np.array(sizes) + ROW_EXTRA
    index["image_id"] = [row.record.image_id for row in task.rows]
    index["height"] = [row.record.height for row in task.rows]
    index["width"] = [row.record.width for row in task.rows]
    index["objects"] = [len(row.kept) for row in task.rows]
    return index


def finished_shard(path: Union[str, Path], verify: bool = True) -> Optional[FinishedShard]:
    """The shard of this path if it is whole; None where it is not, or is damaged.

    Args:
        path: the shard's file.
        verify: read every byte, which finds damage. A shard that was written just now need not be read again.
    """
    try:
        with open(_mark_path(path), encoding="utf-8") as file:
            mark = json.load(file)
        index = np.load(_index_path(path), allow_pickle=False)
        whole = (
            os.path.isfile(f"{path}.db")
            and len(index) == mark["rows"]
            and os.path.getsize(path) == mark["bytes"]
            and (not verify or file_crc(path) == mark["crc"])
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return FinishedShard(mark, index) if whole else None


def has_mark(path: Union[str, Path]) -> bool:
    """Whether a shard was finished once, damaged or not."""
    return os.path.exists(_mark_path(path))


def forget_marks(paths: Iterable[Union[str, Path]]) -> None:
    """Delete what only a conversion that has not ended needs of these shards."""
    for path in paths:
        for file in (_mark_path(path), _index_path(path)):
            with contextlib.suppress(FileNotFoundError):
                os.remove(file)


def _write_mark(path: str, mark: Dict[str, int]) -> None:
    """Write a shard's mark, whole or not at all."""
    unfinished = f"{_mark_path(path)}.new"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(mark, file)
    os.replace(unfinished, _mark_path(path))


def _mark_path(path: Union[str, Path]) -> str:
    return f"{path}.done"


def _index_path(path: Union[str, Path]) -> str:
    return f"{path}.rows.npy"


def _pack_annotation(row: PlannedRow, has_masks: bool) -> bytes:
    """The annotation of a row's kept objects as bytes, an RLE cropped to its object's box."""
    record = row.record
    boxes = record.boxes[row.kept]
    segmentations = [None] * len(row.kept)
    if has_masks:
        segmentations = [
            crop_rle(segmentation, box) if isinstance(segmentation, dict) else segmentation
            for segmentation, box in zip((record.segmentations[i] for i in row.kept), boxes)
        ]
    labels = record.labels[row.kept]
    return pack_objects(StoredObjects(record.path, record.height, record.width, boxes, labels, segmentations))


def _read_picture(row: PlannedRow) -> bytes:
    """The bytes of a row's picture file.

    Raises:
        DataError: it cannot be read, has changed since the conversion was planned, is not a picture, or is of
            another size than annotated.
    """
    record = row.record
    name = f"{record.path} of image {record.image_id}"
    try:
        with open(record.path, "rb") as file:
            picture = file.read()
    except OSError as error:
        raise DataError(f"picture {name}: {error.strerror or error}") from None
    if len(picture) != row.picture_size:
        raise DataError(
            f"picture {name}: changed while it was converted; start again when nothing writes to it"
        )
    check_header(picture, name, (record.height, record.width))
    return picture
