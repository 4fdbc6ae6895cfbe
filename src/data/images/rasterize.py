"""Masks of whole objects: polygons and RLE to pixels, in the picture or on the canvas.

A pixel (row i, column j) covers the square [j, j+1] x [i, i+1]. Boxes and polygons are in the same continuous
pixels. Which pixels a polygon covers is pycocotools' rule everywhere, as in COCO's mask AP.
"""

from __future__ import annotations

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError
from .rle import rle_to_mask


def segmentation_to_mask(segmentation: list | dict, height: int, width: int) -> np.ndarray:
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
    if isinstance(segmentation, dict):
        mask = rle_to_mask(segmentation)
        if mask.shape != (height, width):
            raise DataError(f"RLE of size {mask.shape[0]}x{mask.shape[1]} for a picture of {height}x{width}")
        return mask
    return rasterize_polygons(segmentation, height, width)


def rasterize_polygons(polygons: list, height: int, width: int) -> np.ndarray:
    """uint8 0/1 [height, width]: the union of polygons (flat x, y, ... in pixels), by pycocotools."""
    rles = mask_api.frPyObjects(
        [np.asarray(polygon, np.float64).tolist() for polygon in polygons], height, width
    )
    return mask_api.decode(rles[0] if len(rles) == 1 else mask_api.merge(rles))


def rasterize_region(polygons: list, left: int, top: int, right: int, bottom: int, lowest: float = -np.inf):
    """Rasterize polygons [n, 2] in at least the pixels left, top, right, bottom.

    pycocotools rounds toward zero, so points left of its origin would be rounded the other way. The raster
    therefore starts where the polygons start, but not before `lowest`.

    Returns:
        (mask uint8 0/1, x0, y0): the mask reaches from pixel (x0, y0) to (right, bottom).
    """
    low = np.floor(np.min([polygon.min(0) for polygon in polygons], 0))
    x0, y0 = int(min(max(low[0], lowest), left)), int(min(max(low[1], lowest), top))
    return (
        rasterize_polygons([(polygon - (x0, y0)).ravel() for polygon in polygons], bottom - y0, right - x0),
        x0,
        y0,
    )


def mask_on_canvas(segmentation: list | dict, axes: tuple, region: tuple) -> np.ndarray:
    """The mask of an object in a region of the canvas.

    Args:
        segmentation: polygons or an RLE in picture pixels.
        axes: ((ax, bx), (ay, by)): the point (x, y) of the picture lies at (ax * x + bx, ay * y + by) on the
            canvas (`Placement.axes`).
        region: left, top, right, bottom in whole pixels of the canvas.

    Returns:
        uint8 0/1 [bottom - top, right - left].
    """
    (ax, bx), (ay, by) = axes
    left, top, right, bottom = region
    if isinstance(segmentation, dict):
        mask, (x0, y0) = rle_to_mask(segmentation), segmentation.get("origin", (0, 0))
        # from a pixel centre of the region back to OpenCV's coordinates, which count from pixel centres
        to_source = np.array(
            [[1 / ax, 0, (left + 0.5 - bx) / ax - x0 - 0.5], [0, 1 / ay, (top + 0.5 - by) / ay - y0 - 0.5]]
        )
        frame = cv2.warpAffine(
            np.ascontiguousarray(mask) * np.uint8(255),
            to_source,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        return (frame >= 128).astype(np.uint8)
    polygons = [
        np.asarray(polygon, np.float64).reshape(-1, 2) * (ax, ay) + (bx, by) for polygon in segmentation
    ]
    mask, x0, y0 = rasterize_region(polygons, left, top, right, bottom)
    return mask[top - y0 :, left - x0 :]


def segmentation_box(segmentation: list | dict) -> tuple | None:
    """The box (x1, y1, x2, y2) in pixels around polygons or an RLE; None for an RLE without pixels."""
    if not isinstance(segmentation, dict):
        points = np.concatenate([np.asarray(polygon, np.float64) for polygon in segmentation]).reshape(-1, 2)
        return (*points.min(0).tolist(), *points.max(0).tolist())
    return pixels_box(rle_to_mask(segmentation))


def pixels_box(mask: np.ndarray) -> tuple | None:
    """The box (x1, y1, x2, y2) in pixels around what is set in a mask [H, W]; None where nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def pixels_around(box, height: int, width: int) -> tuple[int, int, int, int]:
    """left, top, right, bottom of a box in whole pixels of the picture, plus one pixel for interpolation."""
    x1, y1, x2, y2 = (float(value) for value in box)
    left, top = max(int(np.floor(x1)) - 1, 0), max(int(np.floor(y1)) - 1, 0)
    return (
        left,
        top,
        max(min(int(np.ceil(x2)) + 1, width), left + 1),
        max(min(int(np.ceil(y2)) + 1, height), top + 1),
    )
