"""Ground truth for pycocotools, made from a `DataSource`: the objects that training, too, is given.

A result file is evaluated on an annotation file alone; that file goes through the same reader.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np
from pycocotools import mask as mask_api

from ..data.annotations.annotation_file import read_annotation_file
from ..data.annotations.coco_reader import read_coco_alone
from ..data.annotations.records import DataSource, Record

_MEMORY_NAME = "the ground truth"


@dataclass
class GroundTruth:
    """COCO ground truth of one kind, "bbox" or "segm".

    Attributes:
        name: where it comes from, for messages.
        kind: "bbox" or "segm".
        has_annotations: False for a file without any, as that of COCO's test-dev.
        sizes: {image id: (height, width)} of its pictures.
        classes: {category id: class name}, by rising id.
        annotations: COCO annotations; their ids count from 1, as pycocotools takes 0 for "no object".
        without_mask: how many crowds are left out for want of a mask ("segm" only).
    """

    name: str
    kind: str
    has_annotations: bool
    sizes: Dict[int, Tuple[int, int]]
    classes: Dict[int, str]
    annotations: List[dict]
    without_mask: int = 0


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


def read_annotations_alone(
    source: Union[str, Path, dict], sizes: Optional[Mapping[Any, Tuple[int, int]]] = None
) -> DataSource:
    """Read COCO annotations whose pictures are not at hand.

    Args:
        source: path of a COCO JSON file, or its content as a dict.
        sizes: {image id: (height, width)} of the predicted masks, which replaces the sizes in the file.

    Raises:
        DataError: for a file that is not COCO-like JSON.
    """
    if isinstance(source, dict):
        return read_coco_alone(json.dumps(source).encode(), _MEMORY_NAME, sizes)
    return read_coco_alone(read_annotation_file(source), str(source), sizes)


def make_ground_truth(source: DataSource, kind: str) -> GroundTruth:
    """The GroundTruth of a data source; kind: "bbox" or "segm"."""
    classes = {
        category_id: name
        for category_id, name in list(zip(source.category_ids, source.class_names))[1:]
        if category_id is not None
    }
    truth = GroundTruth(
        name=source.annotation_file,
        kind=kind,
        has_annotations=source.has_annotations,
        sizes={record.image_id: (record.height, record.width) for record in source.records},
        classes=dict(sorted(classes.items())),
        annotations=[],
    )
    for record in source.records:
        for i in range(len(record.boxes)):
            annotation = record_annotation(record, i, source.category_ids)
            if kind == "segm":
                segmentation = _compressed_rle(annotation["segmentation"], record.height, record.width)
                if segmentation is None:
                    truth.without_mask += 1
                    continue
                annotation["segmentation"] = segmentation
            annotation["id"] = len(truth.annotations) + 1
            truth.annotations.append(annotation)
    return truth


def record_annotation(record: Record, i: int, category_ids) -> dict:
    """Object i of a record as a COCO annotation without an id.

    Its segmentation is as the record has it: polygons (arrays), an RLE dict, or None.
    """
    x1, y1, x2, y2 = record.boxes[i].tolist()
    return {
        "image_id": record.image_id,
        "category_id": category_ids[int(record.labels[i])],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": float(record.areas[i]),
        "iscrowd": int(record.crowd[i]),
        "segmentation": None if record.segmentations is None else record.segmentations[i],
    }


def records_to_coco(source: DataSource) -> dict:
    """The content of a COCO annotation file for a data source, for example for txt data."""
    images = []
    annotations = []
    for record in source.records:
        name = Path(record.path).name
        images.append(
            {"id": record.image_id, "file_name": name, "width": record.width, "height": record.height}
        )
        for i in range(len(record.boxes)):
            annotation = record_annotation(record, i, source.category_ids)
            if isinstance(annotation["segmentation"], list):
                polygons = annotation["segmentation"]
                annotation["segmentation"] = [np.asarray(polygon).tolist() for polygon in polygons]
            annotations.append({"id": len(annotations) + 1, **annotation})
    classes = list(zip(source.category_ids, source.class_names))[1:]  # without the background
    return {
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": category_id, "name": name} for category_id, name in classes if category_id is not None
        ],
    }


def _compressed_rle(segmentation, height, width):
    """A segmentation as one compressed RLE of height x width pixels; None for no segmentation."""
    if segmentation is None:
        return None
    if isinstance(segmentation, list):
        polygons = [np.asarray(polygon, np.float64).tolist() for polygon in segmentation]
        return mask_api.merge(mask_api.frPyObjects(polygons, height, width))
    if isinstance(segmentation["counts"], list):
        return mask_api.frPyObjects(segmentation, *segmentation["size"])
    return segmentation
