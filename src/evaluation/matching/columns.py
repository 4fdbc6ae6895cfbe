"""Objects and detections as columns: arrays with one entry for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Sequence, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ..inputs import EvaluationInputs


@dataclass(frozen=True)
class ObjectColumns:
    """The ground-truth objects of the evaluated pictures and classes, by image, category and file order.

    Attributes:
        annotation: int64 [G], the position in `GroundTruth.annotations`.
        image, category: int32 [G], positions in `EvaluationInputs.image_ids` and `category_ids`.
        box: float64 [G, 4], x, y, w, h in pixels.
        area: float64 [G], in pixels, as annotated.
        crowd: bool [G].
    """

    annotation: np.ndarray
    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    crowd: np.ndarray

    def __len__(self) -> int:
        return len(self.annotation)


@dataclass(frozen=True)
class DetectionColumns:
    """The detections of the evaluated pictures and classes, by image, category, falling score and row.

    Attributes:
        position: int64 [D], in `EvaluationInputs.detections`.
        row: int64 [D], the number of the result row.
        image, category: int32 [D], positions in `EvaluationInputs.image_ids` and `category_ids`.
        box: float64 [D, 4], x, y, w, h in pixels.
        area: float64 [D], in pixels.
        score: float64 [D].
        rank: int32 [D], from 0, by falling score within the image and category.
    """

    position: np.ndarray
    row: np.ndarray
    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    score: np.ndarray
    rank: np.ndarray

    def __len__(self) -> int:
        return len(self.position)


def make_columns(inputs: EvaluationInputs) -> Tuple[ObjectColumns, DetectionColumns]:
    """The columns of an evaluation's inputs."""
    images = {image_id: position for position, image_id in enumerate(inputs.image_ids)}
    categories = {category_id: position for position, category_id in enumerate(inputs.category_ids)}
    return (
        _object_columns(inputs.truth.annotations, images, categories),
        _detection_columns(inputs.detections, images, categories),
    )


def _object_columns(annotations, images, categories) -> ObjectColumns:
    position, image, category = _places(annotations, images, categories)
    order = np.lexsort((position, category, image))
    chosen = [annotations[i] for i in position[order].tolist()]
    return ObjectColumns(
        annotation=position[order],
        image=image[order],
        category=category[order],
        box=_boxes(chosen),
        area=np.array([annotation["area"] for annotation in chosen], np.float64),
        crowd=np.array([annotation["iscrowd"] for annotation in chosen], bool),
    )


def _detection_columns(annotations, images, categories) -> DetectionColumns:
    position, image, category = _places(annotations, images, categories)
    score = np.array([annotations[i]["score"] for i in position.tolist()], np.float64)
    order = np.lexsort((position, -score, category, image))
    chosen = [annotations[i] for i in position[order].tolist()]
    image = image[order]
    category = category[order]
    group = image.astype(np.int64) * max(len(categories), 1) + category
    return DetectionColumns(
        position=position[order],
        row=np.array([annotation["row"] for annotation in chosen], np.int64),
        image=image,
        category=category,
        box=_boxes(chosen),
        area=np.array([annotation["area"] for annotation in chosen], np.float64),
        score=score[order],
        rank=rank_in_group(group),
    )


def _places(
    annotations: Sequence[dict], images: Mapping[Any, int], categories: Mapping[Any, int]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(position, image, category) of the annotations that are evaluated."""
    places: List[Tuple[int, int, int]] = []
    for position, annotation in enumerate(annotations):
        image = images.get(annotation["image_id"])
        category = categories.get(annotation["category_id"])
        if image is not None and category is not None:
            places.append((position, image, category))
    columns = np.array(places, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1].astype(np.int32), columns[:, 2].astype(np.int32)


def _boxes(annotations: Sequence[dict]) -> np.ndarray:
    """Boxes; those of masks where there are no others."""
    if annotations and "bbox" not in annotations[0]:
        return mask_api.toBbox([annotation["segmentation"] for annotation in annotations])
    return np.array([annotation["bbox"] for annotation in annotations], np.float64).reshape(-1, 4)


def rank_in_group(group: np.ndarray) -> np.ndarray:
    """The place of each entry within its group, from 0; the entries of a group are neighbours."""
    place = np.arange(len(group))
    is_first = np.ones(len(group), bool)
    is_first[1:] = group[1:] != group[:-1]
    return (place - np.maximum.accumulate(np.where(is_first, place, 0))).astype(np.int32)
