"""What an evaluation compares: the objects of the ground truth with the detections of result rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Union

from pycocotools import mask as mask_api

from ..data.annotations.records import DataSource
from ..errors import DataError
from .ground_truth import GroundTruth, make_ground_truth, plain_id, read_annotations_alone
from .result_rows import read_result_rows


@dataclass(frozen=True)
class EvaluationInputs:
    """Objects and detections of one kind.

    Attributes:
        truth: the ground truth; its annotations hold the objects.
        rows: the result rows.
        detections: the result rows as COCO annotations with `score` and `row` (the row's number); their ids
            count from 1. Rows of classes that the ground truth does not have are left out.
        image_ids, category_ids: what is evaluated, by rising id.
    """

    truth: GroundTruth
    rows: Sequence[dict]
    detections: List[dict]
    image_ids: List[Any]
    category_ids: List[Any]


def read_inputs(
    ground_truth: Union[str, Path, dict, DataSource],
    results: Union[str, Path, Sequence[dict]],
    kind: str,
    image_ids: Optional[Iterable[Any]] = None,
    category_ids: Optional[Iterable[Any]] = None,
    file: Optional[str] = None,
) -> EvaluationInputs:
    """The inputs of an evaluation. Arguments and errors: see `evaluate_coco` and `read_result_rows`."""
    rows = read_result_rows(results, kind, file)
    if not isinstance(ground_truth, DataSource):
        sizes = None
        if kind == "segm":
            sizes = {plain_id(row["image_id"]): tuple(row["segmentation"]["size"]) for row in rows}
        ground_truth = read_annotations_alone(ground_truth, sizes)
    truth = make_ground_truth(ground_truth, kind)
    images = _selected_ids(truth, truth.sizes, image_ids, "image")
    categories = _selected_ids(truth, truth.classes, category_ids, "category")
    return EvaluationInputs(truth, rows, _rows_as_annotations(truth, rows), images, categories)


def _selected_ids(truth: GroundTruth, known: Mapping, ids: Optional[Iterable[Any]], what: str) -> List[Any]:
    """The wanted ids of `known`, by rising number; all of them if `ids` is None."""
    if ids is None:
        return sorted(known)
    wanted = {plain_id(value) for value in ids}
    missing = wanted - set(known)
    if missing:
        raise not_in_ground_truth(truth, f"{what} id {sorted(map(str, missing))[0]}")
    return sorted(wanted)


def not_in_ground_truth(truth: GroundTruth, what: str) -> DataError:
    """The error for a picture or class that the ground truth does not have."""
    return DataError(
        f"{truth.name}: {what} is not in it; evaluate with the annotations that the pictures belong to"
    )


def _rows_as_annotations(truth: GroundTruth, rows: Sequence[dict]) -> List[dict]:
    """Result rows as annotations: with ids, and an area in pixels."""
    annotations = []
    for number, row in enumerate(rows):
        image_id = plain_id(row["image_id"])
        category_id = plain_id(row["category_id"])
        if image_id not in truth.sizes:
            raise not_in_ground_truth(truth, f"image id {row['image_id']} of the results")
        if category_id not in truth.classes:  # the network may know more classes than the file
            continue
        annotation = {
            "id": len(annotations) + 1,
            "image_id": image_id,
            "category_id": category_id,
            "score": float(row["score"]),
            "row": number,
        }
        if truth.kind == "bbox":
            annotation["bbox"] = row["bbox"]
            annotation["area"] = row["bbox"][2] * row["bbox"][3]
        else:
            segmentation = _compressed(row["segmentation"])
            annotation["segmentation"] = segmentation
            annotation["area"] = float(mask_api.area(segmentation))
        annotations.append(annotation)
    return annotations


def _compressed(rle: Mapping[str, Any]) -> Mapping[str, Any]:
    """An RLE with COCO's compressed counts."""
    if isinstance(rle["counts"], list):
        return mask_api.frPyObjects(rle, *rle["size"])
    return rle
