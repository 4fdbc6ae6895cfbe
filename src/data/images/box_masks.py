"""Masks in the frame of their own box: made from segmentations, and pasted back into a picture.

The box is divided into size x size cells, whatever its size in pixels. Pixels are those of `rasterize.py`.
How an object is cut when its picture is cropped is in `crop.py`.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from .rasterize import Raster, rasterize_near_box

# A larger box is rasterized at this many pixels per cell and side, so that huge pictures cost no more.
_MAX_PIXELS_PER_CELL = 4


def box_mask(
    segmentation: Union[list, dict], box: Sequence[float], height: int, width: int, size: int
) -> np.ndarray:
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
    raster = rasterize_near_box(segmentation, box, height, width, _MAX_PIXELS_PER_CELL * size)
    frame = _resample_box(raster, box, size)
    if not isinstance(segmentation, dict) and not frame.any():
        raster = rasterize_near_box(segmentation, box, height, width, size, finer=True)
        frame = _resample_box(raster, box, size)
    return frame


def box_mask_of_mask(mask: np.ndarray, box: Sequence[float], size: int) -> np.ndarray:
    """As `box_mask`, of a mask uint8 0/1 [H, W]; box: x1, y1, x2, y2 in its pixels."""
    return _resample_box(Raster(mask, np.zeros(2, int), np.ones(2)), box, size)


def _resample_box(raster: Raster, box: Sequence[float], size: int) -> np.ndarray:
    """uint8 [size, size]: a raster resampled over a box x1, y1, x2, y2 in pixels of the picture."""
    corners = np.asarray(box, np.float64).reshape(2, 2) * raster.scale - raster.corner
    x1, y1, x2, y2 = corners.ravel().tolist()
    # where a cell is larger than a pixel: two samples a cell and side, averaged; more adds nothing (on COCO)
    samples_x = 2 if x2 - x1 > size else 1
    samples_y = 2 if y2 - y1 > size else 1
    step_x = (x2 - x1) / (size * samples_x)
    step_y = (y2 - y1) / (size * samples_y)
    # OpenCV counts from pixel centres: output centre i + 1/2 lies at x1 + (i + 1/2) * step,
    # which is that position minus 1/2 in OpenCV's coordinates
    to_source = np.array([[step_x, 0, x1 + 0.5 * step_x - 0.5], [0, step_y, y1 + 0.5 * step_y - 0.5]])
    frame = cv2.warpAffine(
        np.ascontiguousarray(raster.mask) * np.uint8(255),
        to_source,
        (size * samples_x, size * samples_y),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    if samples_x == samples_y == 1:
        return frame
    return cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


def flip_mask(mask: np.ndarray) -> np.ndarray:
    """A mask [..., W] mirrored left to right. A mask in its box's frame is flipped together with its box."""
    return np.ascontiguousarray(mask[..., ::-1])


def sample_mask(mask: np.ndarray, box: Sequence[float], size: int) -> np.ndarray:
    """A mask sampled bilinearly at the cell centres of a box.

    This equals RoIAlign with one sample a cell and aligned coordinates. Pixels outside the picture are 0.

    Args:
        mask: [H, W], of the whole picture.
        box: x1, y1, x2, y2 in pixels.
        size: cells a side.

    Returns:
        float32 [size, size].
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    cells = (np.arange(size) + 0.5) / size
    row_weights = _bilinear_weights(y1 + cells * (y2 - y1) - 0.5, mask.shape[0])
    column_weights = _bilinear_weights(x1 + cells * (x2 - x1) - 0.5, mask.shape[1])
    return row_weights @ mask.astype(np.float32) @ column_weights.T


def paste_mask(
    prob: np.ndarray, box: Sequence[float], height: int, width: int, threshold: float = 0.5
) -> np.ndarray:
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
    window = paste_window(prob, box, height, width, threshold)
    if window is not None:
        num_columns, num_rows = window.columns.shape
        rows = slice(window.top, window.top + num_rows)
        out[rows, window.left : window.left + num_columns] = window.columns.T
    return out


class PastedWindow(NamedTuple):
    """The part of a picture that a pasted mask can set.

    Attributes:
        columns: bool [w, h], its pixels, a row of the array for each column of the picture.
        left, top: its first column and row in the picture.
    """

    columns: np.ndarray
    left: int
    top: int


def paste_window(
    prob: np.ndarray, box: Sequence[float], height: int, width: int, threshold: float
) -> Optional[PastedWindow]:
    """What `paste_mask` sets; None if the box has no area or lies outside of the picture."""
    cells = len(prob)
    x1, y1, x2, y2 = (float(value) for value in box)
    if not (x2 > x1 and y2 > y1):
        return None
    # interpolation with the zeros outside reaches half a cell beyond the box
    left, right = _pixel_range(x1, x2, cells, width)
    top, bottom = _pixel_range(y1, y2, cells, height)
    if right <= left or bottom <= top:
        return None
    rows = (np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * cells - 0.5
    columns = (np.arange(left, right) + 0.5 - x1) / (x2 - x1) * cells - 0.5
    row_weights = _bilinear_weights(rows, cells)
    column_weights = _bilinear_weights(columns, cells)
    # bilinear sampling is separable, and two small matrix products are faster than any gather
    sampled = column_weights @ (row_weights @ np.asarray(prob, np.float32)).T
    return PastedWindow(sampled >= threshold, left, top)


def sample_box_mask(prob: np.ndarray, box: Sequence[float], xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """A mask in its box's frame, sampled bilinearly at a grid of points; it counts as 0 outside its cells.

    Args:
        prob: float [m, m].
        box: x1, y1, x2, y2 in pixels of the picture.
        xs: float [w], the points' x in pixels of the picture (a pixel's centre is at one half).
        ys: float [h], their y.

    Returns:
        float32 [h, w]; all 0 for a box without area.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    if not (x2 > x1 and y2 > y1):
        return np.zeros((len(ys), len(xs)), np.float32)
    cells = len(prob)
    row_weights = _bilinear_weights((ys - y1) / (y2 - y1) * cells - 0.5, cells)
    column_weights = _bilinear_weights((xs - x1) / (x2 - x1) * cells - 0.5, cells)
    return row_weights @ np.asarray(prob, np.float32) @ column_weights.T


def _pixel_range(low: float, high: float, cells: int, length: int) -> Tuple[int, int]:
    """First and last + 1 pixel of one side of a box enlarged by half a cell, within the picture."""
    reach = (high - low) / (2 * cells)
    return max(int(np.floor(low - reach)), 0), min(int(np.ceil(high + reach)), length)


def _bilinear_weights(positions: np.ndarray, count: int) -> np.ndarray:
    """float32 [p, count]: bilinear weights of samples 0, 1, ... for positions [p]; 0 beyond distance 1."""
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(count)), 0).astype(np.float32)
