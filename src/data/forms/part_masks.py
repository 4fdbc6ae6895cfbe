"""Masks of a part of a picture as COCO's RLE of the whole picture, without a mask of its size."""

from __future__ import annotations

import math
from typing import Dict, List, Optional, Sequence, Union

from pycocotools import mask as mask_api

from ..images.paste_rle import window_runs
from .items import JoinedParts, PartMask

_MOST_DRAWN = 2**26  # pixels of a polygon's rectangle


def picture_rle(part: Union[PartMask, JoinedParts], width: int, height: int) -> Dict[str, object]:
    """The RLE {"size": [height, width], "counts": compressed text} of an object; what lies outside is cut.

    Args:
        part: the object.
        width, height: pixels of the picture.
    """
    if isinstance(part, PartMask):
        rle = _part_rle(part, width, height)
    else:
        usable = [polygon for polygon in part.polygons if len(polygon) >= 6 and len(polygon) % 2 == 0]
        drawn = mask_api.frPyObjects(usable, height, width) if usable else []
        rle = mask_api.merge([*drawn, *(_part_rle(mask, width, height) for mask in part.masks)])
    return {"size": [height, width], "counts": rle["counts"].decode()}


def _part_rle(part, width, height):
    """The RLE of a PartMask."""
    top = max(part.top, 0)
    left = max(part.left, 0)
    rows = slice(top - part.top, max(height - part.top, 0))
    columns = slice(left - part.left, max(width - part.left, 0))
    pixels = part.pixels[rows, columns]
    runs = [height * width]
    if pixels.any():
        runs = window_runs(pixels.T, left, top, height, width)
    return mask_api.frPyObjects({"size": [height, width], "counts": runs}, height, width)


def holed_polygon(exterior: List[float], holes: Sequence[List[float]]) -> Optional[PartMask]:
    """A polygon without its holes, each drawn as COCO draws a polygon; None where it is too large to draw.

    Args:
        exterior: x, y, x, y, ... in pixels.
        holes: the same of each hole.
    """
    rings = [ring for ring in (exterior, *holes) if len(ring) >= 6]
    if len(exterior) < 6:
        return None
    left = math.floor(min(exterior[0::2]))
    top = math.floor(min(exterior[1::2]))
    width = math.ceil(max(exterior[0::2])) - left + 1
    height = math.ceil(max(exterior[1::2])) - top + 1
    if width * height > _MOST_DRAWN:
        return None
    # moved by whole pixels, a polygon covers the same pixels
    moved = [[value - (left, top)[i % 2] for i, value in enumerate(ring)] for ring in rings]
    drawn = mask_api.decode(mask_api.frPyObjects(moved, height, width)).astype(bool)
    return PartMask(left, top, drawn[..., 0] & ~drawn[..., 1:].any(-1))
