"""Which rows a conversion stores, and in which shard each of them is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

import numpy as np

from ...errors import DataError
from ..annotations.records import DataSource, Record, TrainingSelection
from .row_format import RowRange

# Without `shard_mb`: bytes of a shard, unless there would be more than so many shards.
_SHARD_BYTES = 128_000_000
_MOST_SHARDS = 64
# The most rows of a shard.
_SHARD_ROWS = 1 << 14


class TrainingRow(NamedTuple):
    """A picture to store.

    Attributes:
        record: with all its objects.
        kept: int64, the indices of the objects to store, rising.
    """

    record: Record
    kept: np.ndarray


class PlannedRow(NamedTuple):
    """A picture to store, as TrainingRow, and the bytes of its file."""

    record: Record
    kept: np.ndarray
    picture_size: int


class TrainingRows(NamedTuple):
    """What of the data is stored.

    Attributes:
        rows: the pictures to store, in the data's order.
        left_out: how many pictures and objects are not stored, by the reason in words.
    """

    rows: List[TrainingRow]
    left_out: Dict[str, int]


@dataclass(frozen=True)
class ConversionPlan:
    """All that a conversion is going to write.

    Attributes:
        rows: all rows.
        left_out: as of TrainingRows.
        shards: the rows of each shard.
    """

    rows: List[PlannedRow]
    left_out: Dict[str, int]
    shards: List[RowRange]

    @property
    def shard_names(self) -> List[str]:
        """The file of each shard."""
        return [f"train-{number:04d}.mindrecord" for number in range(len(self.shards))]


def plan_conversion(
    source: DataSource, selection: TrainingSelection, shard_mb: Optional[float]
) -> ConversionPlan:
    """The plan of a conversion.

    Args:
        source: the data.
        selection: what of the data is stored.
        shard_mb: as of `shard_ranges`.

    Raises:
        DataError: there is nothing to learn from, or a picture is missing.
    """
    if not source.has_annotations:
        raise DataError(f"annotation file {source.annotation_file}: no 'annotations'; training needs them")
    selected = training_rows(source.records, selection)
    if not selected.rows:
        raise DataError(f"annotation file {source.annotation_file}: no picture with an object to learn from")
    rows = with_picture_sizes(selected.rows)
    shards = shard_ranges([row.picture_size for row in rows], shard_mb)
    return ConversionPlan(rows, selected.left_out, shards)


def training_rows(records: Iterable[Record], selection: TrainingSelection) -> TrainingRows:
    """The pictures and objects to train with.

    Crowds are left out, pictures without objects unless `keep_empty`, and all but the max_instance_count
    largest objects of a picture (by the area of their boxes).
    """
    rows = []
    empty = 0
    crowds = 0
    surplus = 0
    for record in records:
        kept = np.flatnonzero(~record.crowd)
        crowds += len(record.crowd) - len(kept)
        if len(kept) > selection.max_instance_count:
            surplus += len(kept) - selection.max_instance_count
            kept = _largest_objects(record, kept, selection.max_instance_count)
        if len(kept) or selection.keep_empty:
            rows.append(TrainingRow(record, kept))
        else:
            empty += 1
    left_out = {
        "pictures without objects left out": empty,
        "crowds left out": crowds,
        f"objects over max_instance_count={selection.max_instance_count} left out (the smallest)": surplus,
    }
    return TrainingRows(rows, left_out)


def _largest_objects(record: Record, indices: np.ndarray, count: int) -> np.ndarray:
    """Of a record's objects with these indices, those with the largest boxes, in their order."""
    sides = record.boxes[indices, 2:] - record.boxes[indices, :2]
    largest = np.argsort(-sides.prod(1), kind="stable")[:count]
    return indices[np.sort(largest)]


def with_picture_sizes(rows: Iterable[TrainingRow]) -> List[PlannedRow]:
    """The rows with the size of each picture file.

    Raises:
        DataError: a picture is missing.
    """
    planned = []
    for record, kept in rows:
        try:
            planned.append(PlannedRow(record, kept, os.stat(record.path).st_size))
        except (OSError, ValueError) as error:
            raise DataError(
                f"picture {record.path} of image {record.image_id}: "
                f"{getattr(error, 'strerror', None) or error}"
            ) from None
    return planned


def shard_ranges(sizes: Sequence[int], shard_mb: Optional[float]) -> List[RowRange]:
    """The rows of each shard.

    Shards are alike in size, so that processes end together, and few enough for a reader to keep all open.

    Args:
        sizes: bytes of each row.
        shard_mb: megabytes of a shard; None chooses.
    """
    if shard_mb is not None:
        limit = shard_mb * 1e6
    else:
        limit = max(_SHARD_BYTES, sum(sizes) / _MOST_SHARDS)
    shards = []
    first = 0
    filled = 0
    for row, size in enumerate(sizes):
        if row > first and (filled + size > limit or row - first == _SHARD_ROWS):
            shards.append(RowRange(first, row))
            first = row
            filled = 0
        filled += size
    shards.append(RowRange(first, len(sizes)))
    return shards
