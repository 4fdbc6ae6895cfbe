"""Result rows: detections in COCO's result format (https://cocodataset.org/#format-results)."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ..data.images.paste_rle import pasted_rle
from ..data.images.rle import rle_counts
from ..errors import DataError
from .ground_truth import plain_id

VALUE_KEYS = {"bbox": "bbox", "segm": "segmentation"}


def detections_to_results(
    detections: Mapping[str, np.ndarray],
    image_id: Any,
    height: int,
    width: int,
    category_ids: Union[Sequence[Optional[int]], Mapping[int, Optional[int]]],
    mask_threshold: float = 0.5,
    has_masks: bool = True,
) -> Tuple[List[dict], List[dict]]:
    """The detections of one picture as result rows.

    Args:
        detections: a mapping of
            `boxes` float [n, 4], x1, y1, x2, y2 in the picture's pixels,
            `scores` float [n],
            `labels` int [n], from 1,
            `masks` float [n, 28, 28], probabilities in the boxes' frames (not read if `has_masks` is False).
        image_id: the picture's id in the annotation file.
        height, width: the picture's size in pixels.
        category_ids: `category_ids[label]` is the file's category id; entry 0 is the background's.
            Detections of a class whose id is None are left out: the file does not have that class.
        mask_threshold: probability from which a pixel of the pasted mask is set.
        has_masks: whether to make segm rows too.

    Returns:
        (bbox rows, segm rows), lists of dicts with image_id, category_id, score, and
        bbox [x, y, w, h] in pixels (three decimals) or segmentation (compressed RLE, its counts as text).
    """
    boxes = np.asarray(detections["boxes"], np.float64).reshape(-1, 4)
    scores = np.asarray(detections["scores"], np.float64).reshape(-1)
    labels = np.asarray(detections["labels"]).reshape(-1)
    image_id = plain_id(image_id)
    bbox_rows = []
    segm_rows = []
    for i, label in enumerate(labels.tolist()):
        category_id = category_ids[label]
        if category_id is None:
            continue
        common = {"image_id": image_id, "category_id": category_id, "score": round(float(scores[i]), 7)}
        x1, y1, x2, y2 = boxes[i].tolist()
        bbox_rows.append({**common, "bbox": [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]})
        if has_masks:
            rle = pasted_rle(detections["masks"][i], boxes[i], int(height), int(width), mask_threshold)
            segm_rows.append({**common, "segmentation": rle})
    return bbox_rows, segm_rows


def read_result_rows(
    results: Union[str, Path, Sequence[dict]], kind: str, file: Optional[str] = None
) -> Sequence[dict]:
    """Checked result rows.

    Args:
        results: the rows, or the path of a JSON file with a list of them.
        kind: "bbox" or "segm".
        file: the file that the rows were read from, where `results` are rows.

    Raises:
        DataError: for a file that cannot be read, and for a row that is not in COCO's format.
    """
    name = file or "the results"
    from_file = file is not None
    if isinstance(results, (str, os.PathLike)):
        name = str(results)
        from_file = True
        results = load_results(name)
    if not isinstance(results, (list, tuple)):
        raise DataError(f"{name}: a list of COCO result rows expected")
    value_key = VALUE_KEYS[kind]
    required = ("image_id", "category_id", "score", value_key)
    for number, row in enumerate(results):
        if not isinstance(row, dict) or any(key not in row for key in required):
            raise DataError(f"{name}, row {number}: image_id, category_id, score and {value_key} expected")
        if kind == "bbox":
            if not _is_number(row["score"]) or not _is_box(row["bbox"]):
                raise DataError(f"{name}, row {number}: finite numbers expected, a score and four for bbox")
            continue
        if not _is_number(row["score"]):
            raise DataError(f"{name}, row {number}: finite numbers expected, a score")
        if from_file:  # pycocotools does not check run lengths, and a file may hold any
            try:
                rle_counts(row["segmentation"])
            except DataError as error:
                raise DataError(f"{name}, row {number}: {error}") from None
    return results


def load_results(name: Union[str, Path]) -> Any:
    """The content of a JSON file of results, unchecked. Raises DataError if it cannot be read."""
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"results {name}: {error.strerror or error}") from None
    except MemoryError:
        gigabytes = os.path.getsize(name) / 1e9
        raise DataError(
            f"results {name}: {gigabytes:.1f} GB, more than this machine's memory can hold as rows; "
            "leave out detections of low scores"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"results {name}: not JSON ({error})") from None


def _is_number(value):
    # JSON has whole numbers of any length; one beyond a float's range is no number here.
    if isinstance(value, int):
        return abs(value) <= sys.float_info.max
    return isinstance(value, float) and math.isfinite(value)


def _is_box(value):
    return isinstance(value, (list, tuple)) and len(value) == 4 and all(map(_is_number, value))
