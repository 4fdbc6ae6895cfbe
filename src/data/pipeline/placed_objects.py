"""The objects of a picture on the canvas: cut where the picture is cropped, moved and scaled with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from ..images.box_masks import box_mask
from ..images.crop import crop_object_box
from ..images.placement import Axes, Placement, place_boxes
from ..mindrecord.row_format import StoredObjects

# An object that covers a smaller area of the canvas, in pixels, is left out.
_MIN_AREA = 0.5


class ObjectTargets(NamedTuple):
    """The training targets of n objects, without padding.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in canvas pixels.
        labels: int32 [n].
        masks: uint8 [n, m, m], coverage from 0 to 255 in the frame of each object's box; None for data
            without masks.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: Optional[np.ndarray]


@dataclass(frozen=True)
class PlacedObjects:
    """The n objects of a picture that are visible on its canvas.

    Attributes:
        targets: Their boxes, labels and masks.
        segmentations: n items as in `StoredObjects`, in the picture's pixels.
        axes: The map from the picture's pixels to the canvas's.
        meta: float32 [6] (`Placement.meta`).
    """

    targets: ObjectTargets
    segmentations: List[Any]
    axes: Axes
    meta: np.ndarray


def objects_on_canvas(
    objects: StoredObjects, placement: Placement, mask_size: int, has_masks: bool
) -> PlacedObjects:
    """Put the objects of a stored row where their picture is on the canvas.

    Objects are cut at the edges of the part of the picture that is placed, and their boxes then follow from
    their masks. An object without a visible pixel is left out. The others keep their order.

    Args:
        objects: The n objects of the picture.
        placement: Where the picture is on the canvas.
        mask_size: The side m of a mask.
        has_masks: Whether masks are made. Without them boxes are cut as rectangles.
    """
    source_boxes, visible = _cut_boxes(objects, placement, has_masks)
    boxes = place_boxes(source_boxes, placement)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    masks = None
    if has_masks:
        masks = np.zeros((len(boxes), mask_size, mask_size), np.uint8)
        for i in np.flatnonzero(visible):
            mask = box_mask(
                objects.segmentations[i], source_boxes[i], objects.height, objects.width, mask_size
            )
            # In the frame of its box a mask stays the same when the box is moved or scaled, but not when the
            # picture is mirrored.
            masks[i] = mask[:, ::-1] if placement.flip else mask
            areas[i] *= mask.mean() / 255
    kept = np.flatnonzero(visible & (areas >= _MIN_AREA))
    targets = ObjectTargets(boxes[kept], objects.labels[kept], None if masks is None else masks[kept])
    segmentations = [objects.segmentations[i] for i in kept]
    return PlacedObjects(targets, segmentations, placement.axes, placement.meta)


def _cut_boxes(
    objects: StoredObjects, placement: Placement, has_masks: bool
) -> Tuple[np.ndarray, np.ndarray]:
    """Cut the objects' boxes at the edges of the part of the picture that is placed.

    Returns:
        The boxes, float [n, 4], in the picture's pixels, and bool [n], whether an object is visible. The box
        of an object that is not visible has no meaning.
    """
    if placement.window is None:
        return objects.boxes, np.ones(len(objects.boxes), bool)
    window = placement.window
    right = window.left + window.width
    bottom = window.top + window.height
    low = (window.left, window.top, window.left, window.top)
    boxes = np.clip(objects.boxes, low, (right, bottom, right, bottom))
    visible = (boxes[:, 2:] > boxes[:, :2]).all(1)
    if has_masks:
        is_cut = (boxes != objects.boxes).any(1)
        for i in np.flatnonzero(visible & is_cut):
            box = crop_object_box(objects.segmentations[i], boxes[i], objects.height, objects.width)
            visible[i] = box is not None
            boxes[i] = box or 0
    return boxes, visible
