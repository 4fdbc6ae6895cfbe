"""Masks in the frame of their own box: made, cut when the picture is cropped, and pasted back into a picture.

The box is divided into size x size cells, whatever its size in pixels. Pixels are those of `rasterize.py`.
"""

from __future__ import annotations

import cv2
import numpy as np

from .rasterize import pixels_around, pixels_box, rasterize_region
from .rle import mask_to_rle, rle_to_mask

# A larger box is rasterized at this many pixels per cell and side, so that huge pictures cost no more.
_MAX_PIXELS_PER_CELL = 4
# The new box of a cut object is found to this fraction of the old box's side.
_CROP_RESOLUTION = 2048


def crop_rle(rle: dict, box) -> dict:
    """The part of an RLE that its box x1, y1, x2, y2 needs: an RLE dict with an "origin" (x, y) in pixels.

    It is smaller than the whole RLE and faster to decode. `box_mask` accepts it in its place.
    """
    mask = rle_to_mask(rle)
    left, top, right, bottom = pixels_around(box, *mask.shape)
    return {**mask_to_rle(mask[top:bottom, left:right]), "origin": [left, top]}


def box_mask(segmentation: list | dict, box, height: int, width: int, size: int) -> np.ndarray:
    """The mask of an object in the frame of its box: the box is resampled to size x size cells.

    Cells larger than a pixel average over the pixels. Smaller ones are interpolated between pixel centres, so
    that a cell is half covered at the edge of the pixel mask. A polygon too small to cover any pixel is
    rasterized at a higher resolution.

    Args:
        segmentation: polygons, an RLE, or an RLE from `crop_rle`.
        box: x1, y1, x2, y2 in pixels of the picture. What lies outside the box is cut off.
        height: of the picture in pixels.
        width: of the picture in pixels.
        size: cells a side.

    Returns:
        uint8 [size, size], coverage from 0 to 255.
    """
    mask, corner, scale = _rasterize_near_box(segmentation, box, height, width, _MAX_PIXELS_PER_CELL * size)
    frame = _resample_box(mask, box, corner, scale, size)
    if not isinstance(segmentation, dict) and not frame.any():
        mask, corner, scale = _rasterize_near_box(segmentation, box, height, width, size, finer=True)
        frame = _resample_box(mask, box, corner, scale, size)
    return frame


def crop_object_box(segmentation: list | dict, box, height: int, width: int) -> tuple | None:
    """The new box of an object of which only the part inside `box` is left, as when the picture is cropped.

    Args: as of `box_mask`; box: the object's box cut at the edges of the crop.

    Returns:
        (x1, y1, x2, y2) around the object's pixels within `box`; None if it has no pixel there.
    """
    mask, corner, scale = _rasterize_near_box(segmentation, box, height, width, _CROP_RESOLUTION)
    low, high = np.array(box[:2], np.float64), np.array(box[2:], np.float64)
    # whole pixels of the raster that the box touches
    first = np.clip(np.floor(low * scale - corner).astype(int), 0, None)
    last = np.ceil(high * scale - corner).astype(int)
    part = mask[first[1] : last[1], first[0] : last[0]]
    around = pixels_box(part)
    if around is None:
        return None
    x1, y1 = np.maximum((np.array(around[:2]) + first + corner) / scale, low).tolist()
    x2, y2 = np.minimum((np.array(around[2:]) + first + corner) / scale, high).tolist()
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def box_mask_of_mask(mask: np.ndarray, box, size: int) -> np.ndarray:
    """As `box_mask`, of a mask uint8 0/1 [H, W]; box: x1, y1, x2, y2 in its pixels."""
    return _resample_box(mask, box, (0, 0), 1.0, size)


def _rasterize_near_box(segmentation, box, height, width, resolution, finer=False):
    """Rasterize an object near its box, with at most (`finer`: exactly) `resolution` pixels a side.

    Returns:
        (mask uint8 0/1 [h, w], its corner (x, y) in raster pixels, raster pixels per picture pixel (x, y)).
    """
    if isinstance(segmentation, dict):
        mask = rle_to_mask(segmentation)
        corner = np.array(segmentation.get("origin", (0, 0)))
        if "origin" not in segmentation:
            left, top, right, bottom = pixels_around(box, *mask.shape)
            mask, corner = mask[top:bottom, left:right], np.array([left, top])
        return mask, corner, np.ones(2)
    x1, y1, x2, y2 = (float(value) for value in box)
    scale = resolution / np.array([x2 - x1, y2 - y1])
    if not finer:
        scale = np.minimum(1.0, scale)
    polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) * scale for polygon in segmentation]
    near = pixels_around(
        (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]),
        int(np.ceil(height * scale[1])),
        int(np.ceil(width * scale[0])),
    )
    mask, x0, y0 = rasterize_region(polygons, *near, lowest=0)
    return mask, np.array([x0, y0]), scale


def _resample_box(mask, box, corner, scale, size):
    """uint8 [size, size]: a 0/1 mask resampled over the box, which is scaled and then moved by -corner."""
    x1, y1, x2, y2 = (np.asarray(box, np.float64).reshape(2, 2) * scale - corner).ravel().tolist()
    # where a cell is larger than a pixel: two samples a cell and side, averaged; more adds nothing (on COCO)
    fine_x, fine_y = (2 if side > size else 1 for side in (x2 - x1, y2 - y1))
    step_x, step_y = (x2 - x1) / (size * fine_x), (y2 - y1) / (size * fine_y)
    # OpenCV counts from pixel centres: output centre i + 1/2 lies at x1 + (i + 1/2) * step,
    # which is that position minus 1/2 in OpenCV's coordinates
    to_source = np.array([[step_x, 0, x1 + 0.5 * step_x - 0.5], [0, step_y, y1 + 0.5 * step_y - 0.5]])
    frame = cv2.warpAffine(
        np.ascontiguousarray(mask) * np.uint8(255),
        to_source,
        (size * fine_x, size * fine_y),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return frame if fine_x == fine_y == 1 else cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


def flip_mask(mask: np.ndarray) -> np.ndarray:
    """A mask [..., W] mirrored left to right. A mask in its box's frame is flipped together with its box."""
    return np.ascontiguousarray(mask[..., ::-1])


def cut_mask(mask: np.ndarray, box, size: int) -> np.ndarray:
    """A mask [H, W] sampled bilinearly at the cell centres of a box x1, y1, x2, y2 in pixels.

    This equals RoIAlign with one sample a cell and aligned coordinates. Pixels outside the picture are 0.

    Returns:
        float32 [size, size].
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    cells = (np.arange(size) + 0.5) / size
    down = _bilinear_weights(y1 + cells * (y2 - y1) - 0.5, mask.shape[0])
    across = _bilinear_weights(x1 + cells * (x2 - x1) - 0.5, mask.shape[1])
    return down @ mask.astype(np.float32) @ across.T


def paste_mask(prob: np.ndarray, box, height: int, width: int, threshold: float = 0.5) -> np.ndarray:
    """Paste a mask in its box's frame into a picture.

    A pixel is set where the mask, sampled bilinearly at the pixel's centre, has at least the threshold. The
    mask counts as 0 outside its cells. A box without area sets nothing.

    Args:
        prob: float [m, m], probabilities.
        box: x1, y1, x2, y2 in pixels of the picture.
        height: of the picture in pixels.
        width: of the picture in pixels.
        threshold: least probability of a pixel that is set.

    Returns:
        uint8 0/1 [height, width].
    """
    out = np.zeros((height, width), np.uint8)
    cells = len(prob)
    x1, y1, x2, y2 = (float(value) for value in box)
    if not (x2 > x1 and y2 > y1):
        return out
    # interpolation with the zeros outside reaches half a cell beyond the box
    left, right = _pixel_range(x1, x2, cells, width)
    top, bottom = _pixel_range(y1, y2, cells, height)
    if right <= left or bottom <= top:
        return out
    down = _bilinear_weights((np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * cells - 0.5, cells)
    across = _bilinear_weights((np.arange(left, right) + 0.5 - x1) / (x2 - x1) * cells - 0.5, cells)
    # bilinear sampling is separable, and two small matrix products are faster than any gather
    out[top:bottom, left:right] = down @ np.asarray(prob, np.float32) @ across.T >= threshold
    return out


def _pixel_range(low, high, cells, length):
    """First and last + 1 pixel of one side of a box enlarged by half a cell, within the picture."""
    reach = (high - low) / (2 * cells)
    return max(int(np.floor(low - reach)), 0), min(int(np.ceil(high + reach)), length)


def _bilinear_weights(positions, count):
    """float32 [p, count]: bilinear weights of samples 0, 1, ... for positions [p]; 0 beyond distance 1."""
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(count)), 0).astype(np.float32)
