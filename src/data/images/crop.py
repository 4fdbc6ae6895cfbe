"""Objects cut at the edges of a crop: the box that is left, and the part of an RLE that a box needs.

When a picture is cropped, `objects_on_canvas` (data/pipeline/placed_objects.py) clips each object's box to
the crop's window, `crop_object_box` shrinks it to the pixels of the object that are left, and `box_mask`
(box_masks.py) makes the mask within the new box. Polygons themselves are not cut.
"""

from __future__ import annotations

from typing import Optional, Sequence, Tuple, Union

import numpy as np

from .rasterize import pixels_box, pixels_near_box, rasterize_near_box
from .rle import mask_to_rle, rle_to_mask

# The new box of a cut object is exact to this fraction of the old box's side.
_RESOLUTION = 2048


def crop_object_box(
    segmentation: Union[list, dict], box: Sequence[float], height: int, width: int
) -> Optional[Tuple[float, float, float, float]]:
    """The new box of an object of which only the part inside `box` is left, as when the picture is cropped.

    Args:
        segmentation: polygons, an RLE, or an RLE from `crop_rle`.
        box: x1, y1, x2, y2 in pixels of the picture, the object's box clipped to the crop.
        height: of the picture in pixels.
        width: of the picture in pixels.

    Returns:
        (x1, y1, x2, y2) around the object's pixels within `box`; None if it has no pixel there.
    """
    mask, corner, scale = rasterize_near_box(segmentation, box, height, width, _RESOLUTION)
    low = np.array(box[:2], np.float64)
    high = np.array(box[2:], np.float64)
    # whole pixels of the raster that the box touches
    first = np.clip(np.floor(low * scale - corner).astype(int), 0, None)
    end = np.ceil(high * scale - corner).astype(int)
    visible = pixels_box(mask[first[1] : end[1], first[0] : end[0]])
    if visible is None:
        return None
    x1, y1 = np.maximum((np.array(visible[:2]) + first + corner) / scale, low).tolist()
    x2, y2 = np.minimum((np.array(visible[2:]) + first + corner) / scale, high).tolist()
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def crop_rle(rle: dict, box: Sequence[float]) -> dict:
    """The part of an RLE that its box needs. It is smaller than the whole RLE and faster to decode.

    Args:
        rle: of the whole picture.
        box: x1, y1, x2, y2 in pixels.

    Returns:
        An RLE dict with an "origin" [x, y], its first pixel in the picture. `box_mask`, `crop_object_box` and
        `mask_on_canvas` accept it in the place of the whole RLE.
    """
    mask = rle_to_mask(rle)
    left, top, right, bottom = pixels_near_box(box, *mask.shape)
    return {**mask_to_rle(mask[top:bottom, left:right]), "origin": [left, top]}
