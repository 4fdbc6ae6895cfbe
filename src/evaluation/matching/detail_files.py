"""The files of a detailed evaluation: eval_details.json, and the match table as CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Union

import numpy as np

from ...whole_files import replaced_file
from ..result_files import write_json
from .table import ALL_SIZES, MatchTable
from .tide import KINDS, Errors


def write_details(folder: Union[str, Path], details: Mapping[str, Any]) -> Path:
    """Write eval_details.json, {"bbox": figures, "segm": figures} of `detailed_figures`; returns its path."""
    return write_json(Path(folder) / "eval_details.json", details)


def write_match_table(folder: Union[str, Path], table: MatchTable, errors: Errors) -> List[Path]:
    """Write detections_{kind}.csv and objects_{kind}.csv; returns their paths. docs/evaluation.md lists the
    columns.

    Args:
        folder: for the files.
        table: the match table.
        errors: those at its threshold `reference`.
    """
    paths = [Path(folder) / f"{name}_{table.kind}.csv" for name in ("detections", "objects")]
    _write_csv(paths[0], _detection_columns(table, errors))
    _write_csv(paths[1], _object_columns(table, errors))
    return paths


def _write_csv(path: Path, columns: Mapping[str, Sequence]) -> None:
    with replaced_file(path) as temporary:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))


def _detection_columns(table: MatchTable, errors: Errors) -> Mapping[str, Sequence]:
    detections = table.detections
    threshold = table.reference
    is_true = table.is_true(threshold)
    outcome = np.where(is_true, "true", "ignored").astype(object)
    is_false = table.is_false(threshold)
    outcome[is_false] = np.array(KINDS, object)[errors.detection_kind[is_false]]
    outcome[~table.counted] = "beyond max_dets"
    columns = {
        "row": detections.row.tolist(),
        **_common_columns(table, detections),
        "score": detections.score.tolist(),
        "rank": detections.rank.tolist(),
        "outcome": outcome.tolist(),
        "iou": _numbers(table.partner_iou(threshold), table.partner[ALL_SIZES, threshold] >= 0),
    }
    for position, name in enumerate(_threshold_names(table)):
        partner = table.partner[ALL_SIZES, position]
        columns[f"object_{name}"] = _numbers(partner, partner >= 0)
    return columns


def _object_columns(table: MatchTable, errors: Errors) -> Mapping[str, Sequence]:
    objects = table.objects
    threshold = table.reference
    partner = table.object_partner(threshold)
    has_partner = partner >= 0
    columns = {
        "object": list(range(len(objects))),
        **_common_columns(table, objects),
        "crowd": objects.crowd.astype(int).tolist(),
        "size": _sizes(table),
        "outcome": _object_outcomes(objects.crowd, has_partner, errors),
        "iou": _numbers(_taken(table.partner_iou(threshold), partner), has_partner),
        "score": _numbers(_taken(table.detections.score, partner), has_partner),
    }
    for position, name in enumerate(_threshold_names(table)):
        partner = table.object_partner(position)
        columns[f"row_{name}"] = _numbers(_taken(table.detections.row, partner), partner >= 0)
    return columns


def _common_columns(table: MatchTable, columns: Any) -> Mapping[str, Sequence]:
    box = columns.box
    return {
        "image_id": [table.image_ids[image] for image in columns.image.tolist()],
        "category_id": [table.category_ids[category] for category in columns.category.tolist()],
        "class": [table.class_names[category] for category in columns.category.tolist()],
        **{name: box[:, side].tolist() for side, name in enumerate(("x", "y", "width", "height"))},
        "area": columns.area.tolist(),
    }


def _sizes(table: MatchTable) -> List[str]:
    """Small, medium or large. An area on the limit of two sizes counts in both; the smaller is written."""
    area = table.objects.area
    ranges = list(table.settings.area_ranges.items())[1:]
    size = np.full(len(area), "", object)
    for name, (low, high) in reversed(ranges):
        size[(area >= low) & (area <= high)] = name
    return size.tolist()


def _object_outcomes(crowd: np.ndarray, has_partner: np.ndarray, errors: Errors) -> List[str]:
    """found; crowd; missed, or Miss where no detection could be mended to find it."""
    is_miss = errors.object_kind >= 0
    return np.select([crowd, has_partner, is_miss], ["crowd", "found", "Miss"], "missed").tolist()


def _threshold_names(table: MatchTable) -> List[str]:
    """IoU thresholds in percent, as in AP50."""
    return [f"{100 * threshold:g}" for threshold in table.settings.iou_thresholds]


def _taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """values[places]; anything where a place is -1."""
    return values[places] if len(values) else np.zeros(len(places))


def _numbers(values: np.ndarray, holds: np.ndarray) -> List[Any]:
    """The values, "" where they do not hold."""
    numbers = values.astype(object)
    numbers[~holds] = ""
    return numbers.tolist()
