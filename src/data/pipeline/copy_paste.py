"""Copy-paste: objects of one picture are cut out by their masks and pasted over another picture.

Ghiasi et al. 2021, Simple Copy-Paste.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..images.box_masks import box_mask_of_mask
from ..images.rasterize import Region, mask_on_canvas, pixels_box
from .placed_objects import ObjectTargets, PlacedObjects


class _Target(NamedTuple):
    """The targets of one object: label int32, box float32 [4], mask uint8 [m, m] in the frame of its box."""

    label: np.int32
    box: np.ndarray
    mask: np.ndarray


def paste_objects(
    placed: PlacedObjects,
    other: PlacedObjects,
    indices: Sequence[int],
    canvas: np.ndarray,
    other_canvas: np.ndarray,
    mask_size: int,
) -> ObjectTargets:
    """Paste objects of another picture over a picture.

    What is pasted ends where the picture does. The boxes of objects that are partly covered shrink to what is
    still visible. Objects that are wholly covered and pasted objects without a pixel are left out.

    Args:
        placed: The objects of the picture that is painted over.
        other: The objects of the other picture.
        indices: Which objects of `other` are pasted.
        canvas: uint8 [H, W, 3] with the picture; pixels are pasted into it.
        other_canvas: uint8 [H, W, 3] with the other picture.
        mask_size: The side m of a mask.

    Returns:
        The picture's own objects that are still visible, and then the pasted ones.
    """
    height = int(placed.meta[0])
    width = int(placed.meta[1])
    pasted, pasted_pixels = _cut_out(other, indices, height, width, mask_size)
    own = placed.targets
    kept = [_Target(*columns) for columns in zip(own.labels, own.boxes, own.masks)]
    pasted_box = pixels_box(pasted_pixels)
    if pasted_box is not None:
        region = Region(*(int(side) for side in pasted_box))
        uncovered = [
            _uncovered(placed, i, target, pasted_pixels, region, mask_size) for i, target in enumerate(kept)
        ]
        kept = [target for target in uncovered if target is not None]
        cv2.copyTo(_part(other_canvas, region), _part(pasted_pixels, region), _part(canvas, region))
    targets = kept + pasted
    return ObjectTargets(
        np.array([target.box for target in targets], np.float32).reshape(-1, 4),
        np.array([target.label for target in targets], np.int32),
        np.array([target.mask for target in targets], np.uint8).reshape(-1, mask_size, mask_size),
    )


def _cut_out(
    other: PlacedObjects, indices: Sequence[int], height: int, width: int, mask_size: int
) -> Tuple[List[_Target], np.ndarray]:
    """Cut objects out of the other picture.

    Args:
        other: The objects of the other picture.
        indices: Which of them are cut out.
        height, width: Size of the part of the canvas that is pasted into, in pixels.
        mask_size: The side m of a mask.

    Returns:
        The targets of the objects that have a pixel there, and all their pixels, uint8 0/1 [height, width].
    """
    targets = []
    pixels = np.zeros((height, width), np.uint8)
    for i in indices:
        box = other.targets.boxes[i]
        region = _touched_region(box, height, width)
        if region.right <= region.left or region.bottom <= region.top:
            continue
        mask = mask_on_canvas(other.segmentations[i], other.axes, region)
        if not mask.any():
            continue
        part = _part(pixels, region)
        part |= mask
        target = _Target(other.targets.labels[i], box, other.targets.masks[i])
        if box[2] > width or box[3] > height:
            target = _visible_target(target, mask, region, mask_size)
        targets.append(target)
    return targets, pixels


def _uncovered(
    placed: PlacedObjects,
    index: int,
    target: _Target,
    pasted_pixels: np.ndarray,
    pasted_region: Region,
    mask_size: int,
) -> Optional[_Target]:
    """What is left of an object's targets after others were pasted over it.

    Args:
        placed: The picture's objects.
        index: The object's index among them.
        target: The object's targets before pasting.
        pasted_pixels: uint8 0/1 [H, W], the pixels that were pasted.
        pasted_region: The smallest region that holds all of them.
        mask_size: The side m of a mask.

    Returns:
        The same targets if no pixel is covered, None if all are.
    """
    x1, y1, x2, y2 = target.box
    is_beside = x2 <= pasted_region.left or x1 >= pasted_region.right
    is_above_or_below = y2 <= pasted_region.top or y1 >= pasted_region.bottom
    if is_beside or is_above_or_below:
        return target
    region = _touched_region(target.box, *pasted_pixels.shape)
    mask = mask_on_canvas(placed.segmentations[index], placed.axes, region)
    covering = _part(pasted_pixels, region)
    if not (mask & covering).any():
        return target
    visible = mask & (covering ^ 1)
    return _visible_target(target, visible, region, mask_size) if visible.any() else None


def _part(array: np.ndarray, region: Region) -> np.ndarray:
    """The part of an array [H, W, ...] of the canvas that lies in a region; a view."""
    return array[region.top : region.bottom, region.left : region.right]


def _touched_region(box: np.ndarray, height: int, width: int) -> Region:
    """The pixels that a box [4] touches, up to the right and lower edge of height x width pixels."""
    x1, y1, x2, y2 = (float(side) for side in box)
    return Region(
        left=int(np.floor(x1)),
        top=int(np.floor(y1)),
        right=min(int(np.ceil(x2)), width),
        bottom=min(int(np.ceil(y2)), height),
    )


def _visible_target(target: _Target, visible: np.ndarray, region: Region, mask_size: int) -> _Target:
    """The targets of an object of which only some pixels are visible.

    Args:
        target: The object's targets before it was covered or cut. The new box is within the old one.
        visible: uint8 0/1 [h, w], the object's visible pixels; at least one.
        region: Where `visible` is on the canvas.
        mask_size: The side m of a mask.
    """
    corner = np.array([region.left, region.top, region.left, region.top], np.float64)
    x1, y1, x2, y2 = np.array(pixels_box(visible)) + corner
    old = target.box
    box = np.array([max(x1, old[0]), max(y1, old[1]), min(x2, old[2]), min(y2, old[3])], np.float32)
    return _Target(target.label, box, box_mask_of_mask(visible, box - corner, mask_size))
