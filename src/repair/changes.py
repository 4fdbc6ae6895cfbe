"""What accepting a suspect does to the annotations: the annotation before and after."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ..data.images.mask_polygons import mask_polygons
from ..data.images.rasterize import rasterize_polygons
from ..data.images.rle import rle_counts

NONE = "none"  # data of boxes alone
EMPTY = "empty"  # the same, with "segmentation": []
POLYGONS = "polygons"
RLE = "rle"
COUNTS = "counts"  # RLE whose counts are a list of numbers


def segmentation_form(item: Mapping[str, Any]) -> str:
    """How an annotation's mask is written: NONE, EMPTY, POLYGONS, RLE or COUNTS."""
    if "segmentation" not in item:
        return NONE
    segmentation = item["segmentation"]
    if isinstance(segmentation, dict):
        return COUNTS if isinstance(segmentation.get("counts"), list) else RLE
    return POLYGONS if segmentation else EMPTY


def usual_form(items: Sequence[Mapping[str, Any]], has_masks: bool) -> str:
    """The form that most of a file's annotations, crowds left out, have; of masks where it has masks."""
    forms = Counter(segmentation_form(item) for item in items if not item.get("iscrowd"))
    for form, _ in forms.most_common():
        if (form in (POLYGONS, RLE, COUNTS)) == has_masks:
            return form
    return POLYGONS if has_masks else NONE


def shape_values(
    rle: Optional[Mapping[str, Any]], box: Sequence[float], size: Tuple[int, int], form: str
) -> Dict[str, Any]:
    """segmentation, bbox and area of an annotation.

    Args:
        rle: the mask; None: the box alone.
        box: x, y, w, h in pixels, where there is no mask. It is clipped to the picture.
        size: (height, width) of the picture.
        form: of the mask. Polygons have no holes: those of the mask are filled.
    """
    if rle is None:
        x1, y1 = max(box[0], 0.0), max(box[1], 0.0)
        x2, y2 = min(box[0] + box[2], size[1]), min(box[1] + box[3], size[0])
        values: Dict[str, Any] = {"segmentation": []} if form == EMPTY else {}
        sides = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
        return {**values, "bbox": sides, "area": round(sides[2] * sides[3], 3)}
    segmentation: Any
    if form == POLYGONS:
        segmentation = outlines(rle)
        rle = mask_api.encode(np.asfortranarray(rasterize_polygons(segmentation, *size)))
    else:
        segmentation = _written_rle(rle, form)
    return {
        "segmentation": segmentation,
        "bbox": [float(value) for value in mask_api.toBbox(rle)],
        "area": float(mask_api.area(rle)),
    }


def outlines(rle: Mapping[str, Any], tolerance: float = 0.0) -> List[List[float]]:
    """Flat polygons around the parts of a mask; [] for an empty one. tolerance: as of `mask_polygons`."""
    x, y, width, height = (int(value) for value in mask_api.toBbox(rle))
    if width < 1 or height < 1:
        return []
    mask = mask_api.decode(rle)[y : y + height, x : x + width]
    return [polygon.ravel().tolist() for polygon in mask_polygons(mask, x, y, tolerance)]


def _written_rle(rle: Mapping[str, Any], form: str) -> Dict[str, Any]:
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    size = [int(side) for side in rle["size"]]
    if form == RLE:
        return {"size": size, "counts": text}
    return {"size": size, "counts": rle_counts(rle).tolist()}


def new_annotation(
    annotation_id: int, image_id: int, category_id: Any, shape: Mapping[str, Any]
) -> Dict[str, Any]:
    """An annotation of an object that was missing, with COCO's keys."""
    return {"id": annotation_id, "image_id": image_id, "category_id": category_id, "iscrowd": 0, **shape}


def with_shape(item: Mapping[str, Any], shape: Mapping[str, Any]) -> Dict[str, Any]:
    """An annotation with another mask and box; all its other keys stay, in their order."""
    return {**item, **shape}


def with_class(item: Mapping[str, Any], category_id: Any) -> Dict[str, Any]:
    """An annotation with another class; all its other keys stay, in their order."""
    return {**item, "category_id": category_id}
