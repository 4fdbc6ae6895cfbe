"""Masks of a part of a picture as COCO's RLE of the whole picture, without a mask of its size."""

from __future__ import annotations

from typing import Dict, Union

from pycocotools import mask as mask_api

from ..images.paste_rle import window_runs
from .items import JoinedParts, PartMask


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
