"""Counts by the size of objects, at one IoU threshold."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

from .table import MatchTable


def counts_by_size(table: MatchTable, threshold: int) -> Dict[str, Dict[str, Any]]:
    """{size: counts} for all, small, medium and large, as AP and AR of that size count them.

    Args:
        table: the match table.
        threshold: the position of an IoU threshold.

    Returns:
        For each size: {"area": [lowest, highest] in square pixels, "objects", "found": objects with a
        partner, "missed", "detections", "true", "false", "ignored": detections that count for neither, as
        those of an object of another size}.
    """
    detections = int(table.counted.sum())
    result = {}
    for area, (name, limits) in enumerate(table.settings.area_ranges.items()):
        objects = ~table.object_ignored[area]
        found = objects & (table.object_partner(threshold, area) >= 0)
        true = int(table.is_true(threshold, area).sum())
        false = int(table.is_false(threshold, area).sum())
        result[name] = {
            "area": list(limits),
            "objects": int(np.count_nonzero(objects)),
            "found": int(np.count_nonzero(found)),
            "missed": int(np.count_nonzero(objects & ~found)),
            "detections": true + false,
            "true": true,
            "false": false,
            "ignored": detections - true - false,
        }
    return result
