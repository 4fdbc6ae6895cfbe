"""Which rows a conversion stores, and in which shard each of them is."""

from __future__ import annotations

import os

import numpy as np

from ...errors import DataError

_SHARD_BYTES, _SHARDS, _SHARD_ROWS = 128_000_000, 64, 1 << 14


def with_sizes(rows):
    """The rows (record, kept objects) with the size of each picture file; DataError for a missing picture."""
    sized = []
    for record, kept in rows:
        try:
            sized.append((record, kept, os.stat(record.path).st_size))
        except (OSError, ValueError) as error:
            raise DataError(
                f"picture {record.path} of image {record.image_id}: "
                f"{getattr(error, 'strerror', None) or error}"
            ) from None
    return sized


def shard_ranges(sizes, shard_mb):
    """[(first row, row behind the last)] of each shard: alike in size, so that processes end together, and
    few enough to keep open.
    """
    limit = shard_mb * 1e6 if shard_mb is not None else max(_SHARD_BYTES, sum(sizes) / _SHARDS)
    parts, first, filled = [], 0, 0
    for row, size in enumerate(sizes):
        if row > first and (filled + size > limit or row - first == _SHARD_ROWS):
            parts.append((first, row))
            first, filled = row, 0
        filled += size
    return [*parts, (first, len(sizes))]


def training_rows(records, config):
    """([(record, indices of its objects to keep)], {what was left out: how many})."""
    rows, left_out = (
        [],
        {
            "pictures without objects left out": 0,
            "crowds left out": 0,
            f"objects over max_instance_count={config.max_instance_count} left out (the smallest)": 0,
        },
    )
    empty, crowds, surplus = left_out
    for record in records:
        kept = np.flatnonzero(~record.crowd)
        left_out[crowds] += len(record.crowd) - len(kept)
        if len(kept) > config.max_instance_count:
            left_out[surplus] += len(kept) - config.max_instance_count
            sides = record.boxes[kept, 2:] - record.boxes[kept, :2]
            largest = np.argsort(-sides.prod(1), kind="stable")[: config.max_instance_count]
            kept = kept[np.sort(largest)]
        if len(kept) or config.keep_empty:
            rows.append((record, kept))
        else:
            left_out[empty] += 1
    return rows, left_out
