"""Masks of whole objects: polygons and RLE to pixels, in the picture or on the canvas.

A pixel (row i, column j) covers the square [j, j+1] x [i, i+1]. Boxes and polygons are in the same continuous
pixels. Which pixels a polygon covers is pycocotools' rule everywhere, as in COCO's mask AP.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError
from .placement import Axes
from .rle import rle_to_mask


class Region(NamedTuple):
    """A rectangle of whole pixels: columns left, ..., right - 1 of rows top, ..., bottom - 1."""

    left: int
    top: int
    right: int
    bottom: int


class Raster(NamedTuple):
    """A part of a mask, possibly at another resolution than the picture's.

    Attributes:
        mask: uint8 0/1 [h, w].
        corner: int [2], x and y of its first pixel, in pixels of the raster.
        scale: float64 [2], pixels of the raster per pixel of the picture, in x and y.
    """

    mask: np.ndarray
    corner: np.ndarray
    scale: np.ndarray


def segmentation_to_mask(segmentation: Union[list, dict], height: int, width: int) -> np.ndarray:
    """The mask of one object in its whole picture, exactly as pycocotools has it.

    Args:
        segmentation: a list of polygons (flat x, y, x, y, ... in pixels; their union counts) or an RLE.
        height: of the picture in pixels.
        width: of the picture in pixels.

    Returns:
        uint8 0/1 [height, width].

    Raises:
        DataError: for a corrupt RLE and for one of another size.
    """
    if not isinstance(segmentation, dict):
        return rasterize_polygons(segmentation, height, width)
    mask = rle_to_mask(segmentation)
    if mask.shape != (height, width):
        raise DataError(f"RLE of size {mask.shape[0]}x{mask.shape[1]} for a picture of {height}x{width}")
    return mask


def rasterize_polygons(polygons: Sequence, height: int, width: int) -> np.ndarray:
    """uint8 0/1 [height, width]: the union of polygons (flat x, y, ... in pixels), by pycocotools."""
    points = [np.asarray(polygon, np.float64).tolist() for polygon in polygons]
    rles = mask_api.frPyObjects(points, height, width)
    return mask_api.decode(rles[0] if len(rles) == 1 else mask_api.merge(rles))


def rasterize_near_box(
    segmentation: Union[list, dict],
    box: Sequence[float],
    height: int,
    width: int,
    resolution: int,
    finer: bool = False,
) -> Raster:
    """The part of an object's mask that its box needs.

    Args:
        segmentation: polygons, an RLE, or an RLE from `crop_rle`.
        box: x1, y1, x2, y2 in pixels of the picture.
        height: of the picture in pixels.
        width: of the picture in pixels.
        resolution: polygons are rasterized with at most this many pixels along a side of the box.
        finer: exactly `resolution` pixels, also where the box has fewer.
    """
    if isinstance(segmentation, dict):
        mask = rle_to_mask(segmentation)
        if "origin" in segmentation:
            return Raster(mask, np.array(segmentation["origin"]), np.ones(2))
        left, top, right, bottom = pixels_near_box(box, *mask.shape)
        return Raster(mask[top:bottom, left:right], np.array([left, top]), np.ones(2))
    x1, y1, x2, y2 = (float(value) for value in box)
    scale = resolution / np.array([x2 - x1, y2 - y1])
    if not finer:
        scale = np.minimum(1.0, scale)
    scale_x, scale_y = scale
    polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) * scale for polygon in segmentation]
    region = pixels_near_box(
        (x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y),
        int(np.ceil(height * scale_y)),
        int(np.ceil(width * scale_x)),
    )
    mask, corner = _rasterize_region(polygons, region, lowest=0)
    return Raster(mask, corner, scale)


def _rasterize_region(
    polygons: List[np.ndarray], region: Region, lowest: float = -np.inf
) -> Tuple[np.ndarray, np.ndarray]:
    """Rasterize polygons [n, 2] in at least a region.

    pycocotools rounds toward zero, so points left of its origin would be rounded the other way. The raster
    therefore starts where the polygons start, but not before `lowest`.

    Returns:
        mask: uint8 0/1. It ends at the region's right and bottom.
        corner: int [2], x and y of its first pixel.
    """
    low_x, low_y = np.floor(np.min([polygon.min(0) for polygon in polygons], 0))
    x0 = int(min(max(low_x, lowest), region.left))
    y0 = int(min(max(low_y, lowest), region.top))
    moved = [(polygon - (x0, y0)).ravel() for polygon in polygons]
    return rasterize_polygons(moved, region.bottom - y0, region.right - x0), np.array([x0, y0])


def mask_on_canvas(segmentation: Union[list, dict], axes: Axes, region: Tuple) -> np.ndarray:
    """The mask of an object in a region of the canvas.

    Args:
        segmentation: polygons or an RLE in pixels of the picture.
        axes: the map from the picture to the canvas (`Placement.axes`).
        region: left, top, right, bottom in whole pixels of the canvas.

    Returns:
        uint8 0/1 [bottom - top, right - left].
    """
    region = Region(*region)
    if isinstance(segmentation, dict):
        return _rle_on_canvas(segmentation, axes, region)
    scale = (axes.x.scale, axes.y.scale)
    offset = (axes.x.offset, axes.y.offset)
    polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) * scale + offset for polygon in segmentation]
    mask, (x0, y0) = _rasterize_region(polygons, region)
    return mask[region.top - y0 :, region.left - x0 :]


def _rle_on_canvas(rle: dict, axes: Axes, region: Region) -> np.ndarray:
    """`mask_on_canvas` of an RLE: set where interpolation between its pixels gives a half or more."""
    mask = rle_to_mask(rle)
    x0, y0 = rle.get("origin", (0, 0))
    # From the centre of a canvas pixel back to the mask. OpenCV's coordinates count from pixel centres.
    x = (region.left + 0.5 - axes.x.offset) / axes.x.scale - x0 - 0.5
    y = (region.top + 0.5 - axes.y.offset) / axes.y.scale - y0 - 0.5
    to_source = np.array([[1 / axes.x.scale, 0, x], [0, 1 / axes.y.scale, y]])
    coverage = cv2.warpAffine(
        np.ascontiguousarray(mask) * np.uint8(255),
        to_source,
        (region.right - region.left, region.bottom - region.top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return (coverage >= 128).astype(np.uint8)


def pixels_box(mask: np.ndarray) -> Optional[Tuple[float, float, float, float]]:
    """The box (x1, y1, x2, y2) in pixels around what is set in a mask [H, W]; None where nothing is."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def pixels_near_box(box: Sequence[float], height: int, width: int) -> Region:
    """A box in whole pixels of a picture, enlarged by one pixel a side for interpolation.

    Args:
        box: x1, y1, x2, y2 in pixels.
        height: of the picture in pixels.
        width: of the picture in pixels.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    left = max(int(np.floor(x1)) - 1, 0)
    top = max(int(np.floor(y1)) - 1, 0)
    # at least one pixel, also of a box outside the picture
    right = max(min(int(np.ceil(x2)) + 1, width), left + 1)
    bottom = max(min(int(np.ceil(y2)) + 1, height), top + 1)
    return Region(left, top, right, bottom)
