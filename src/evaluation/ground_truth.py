"""Ground truth for pycocotools: COCO-like JSON is read, cleaned and given new ids.

pycocotools fails on many things that real annotation files hold: ids that are text or 0, missing `iscrowd` or
`area`, pictures without a size, empty segmentations. So every id is replaced by a whole number from 1.
The order of the ids stays, so pycocotools visits the pictures in the same order and gives the same figures.
An annotation that cannot be used is left out and counted. None is changed without a message.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from ..data.annotations.records import DataSource
from ..errors import DataError
from .annotation_cleaning import clean_annotation


@dataclass
class GroundTruth:
    """COCO ground truth whose ids count from 1.

    Attributes:
        name: where it comes from, for messages.
        images: {original id (see `plain_id`): COCO image entry with its new id}.
        categories: {original id: COCO category entry with its new id}.
        annotations: COCO annotations with new ids, as `clean_annotation` makes them.
        left_out: {why annotations were left out, in words: how many}.
    """

    name: str
    images: Dict[Any, dict]
    categories: Dict[Any, dict]
    annotations: List[dict] = field(default_factory=list)
    left_out: Counter = field(default_factory=Counter)


def plain_id(value: Any) -> Union[int, str]:
    """An id in one spelling, so that files which mix 7, 7.0 and "7" still match.

    Returns:
        An int for a whole number in any spelling, else the id as text.
    """
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    text = str(value).strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,40}", text) else text


def read_ground_truth(
    source: Union[str, Path, dict], kind: str, sizes: Optional[Mapping[Any, Tuple[int, int]]] = None
) -> GroundTruth:
    """Read and clean the ground truth of a COCO JSON.

    Args:
        source: path of the file, or its content as a dict.
        kind: "bbox" or "segm".
        sizes: {image id: (height, width)}, which replaces the sizes in the file. Ground-truth masks are drawn
            in this size, so it has to be the size of the predicted masks.

    Raises:
        DataError: for a file that is not COCO-like JSON.
    """
    name, content = _load(source)
    images = _with_new_ids(name, content, "images")
    categories = _with_new_ids(name, content, "categories")
    ground_truth = GroundTruth(name, images, categories)
    for image_id, size in (sizes or {}).items():
        if image_id in images:
            images[image_id]["height"], images[image_id]["width"] = size
    annotations = content.get("annotations") or []
    if not isinstance(annotations, list):
        raise DataError(f"{name}: 'annotations' is not a list; COCO's format expected")
    for annotation in annotations:
        problem = _add(ground_truth, annotation, kind)
        if problem:
            ground_truth.left_out[problem] += 1
    return ground_truth


def records_to_coco(source: DataSource) -> dict:
    """The content of a COCO annotation file for a data source. So txt data is evaluated as COCO data is."""
    images = []
    annotations = []
    for record in source.records:
        image_id = plain_id(record.image_id)
        images.append({"id": image_id, "width": int(record.width), "height": int(record.height)})
        segmentations = record.segmentations
        if segmentations is None:
            segmentations = [None] * len(record.boxes)
        for box, label, crowd, segmentation in zip(record.boxes, record.labels, record.crowd, segmentations):
            x1, y1, x2, y2 = (float(value) for value in box)
            if isinstance(segmentation, list):
                segmentation = [np.asarray(polygon, np.float64).tolist() for polygon in segmentation]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": source.category_ids[int(label)],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "iscrowd": int(crowd),
                    "segmentation": segmentation,
                }
            )
    classes = list(zip(source.category_ids, source.class_names))[1:]  # without the background
    return {
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": category_id, "name": name} for category_id, name in classes if category_id is not None
        ],
    }


def _load(source):
    """(a name for messages, the content as a dict)."""
    if isinstance(source, dict):
        return "the ground truth", source
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"annotations {source}: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"annotations {source}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DataError(
            f"annotations {source}: an object with 'images', 'annotations' and 'categories' expected, "
            f"found a {type(content).__name__}"
        )
    return str(source), content


def _with_new_ids(name, content, part):
    """{original id: entry with its new id} of one part of the file. The order of the ids stays."""
    entries = content.get(part)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "id" in entry for entry in entries
    ):
        raise DataError(f"{name}: '{part}' has to be a list of objects with an 'id', as COCO's format has it")
    by_id = {plain_id(entry["id"]): entry for entry in entries}
    order = sorted(by_id, key=lambda key: (isinstance(key, str), key))
    return {key: {**by_id[key], "id": number} for number, key in enumerate(order, 1)}


def _add(ground_truth, annotation, kind):
    """Append one annotation in its clean form; returns why it has to be left out, or None."""
    if not isinstance(annotation, dict):
        return "not an object"
    image = ground_truth.images.get(plain_id(annotation.get("image_id")))
    category = ground_truth.categories.get(plain_id(annotation.get("category_id")))
    if image is None:
        return "of an unknown picture"
    if category is None:
        return "of an unknown category"
    clean, problem = clean_annotation(annotation, image, kind)
    if clean is not None:
        new_ids = {
            "id": len(ground_truth.annotations) + 1,
            "image_id": image["id"],
            "category_id": category["id"],
        }
        ground_truth.annotations.append({**new_ids, **clean})
    return problem
