"""The one place for masks: polygons and RLE to pixels, to a mask in its own box's frame, and back to pictures and RLE.

A pixel (row i, column j) covers the square [j, j+1] x [i, i+1]; boxes and polygons are in the same continuous pixels.
Which pixels a polygon covers is pycocotools' rule everywhere, because COCO's mask AP is measured with it.
"""

from __future__ import annotations

import cv2
import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError

# A box larger than this many mask cells a side is rasterised at this resolution, so that a 50-megapixel picture costs no more.
_CELLS = 4
_FINEST = 2048  # and a cut object's box is found to a 2048th of its side


def rle_counts(rle):
    """The run lengths int64 [r] of an RLE dict {"size": [height, width], "counts": ...}; runs alternate, 0s first, column by column.

    counts: COCO's compressed text or bytes, or a list of whole numbers. Raises DataError unless the runs fill the size exactly:
    pycocotools does not check this and writes beyond its memory.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        counts = rle["counts"]
        if isinstance(counts, str):
            counts = counts.encode("ascii")
        if isinstance(counts, bytes):
            runs = _decompress(counts)
        else:
            runs = np.array(counts)
            if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "iu"):
                raise ValueError
            runs = runs.astype(np.int64)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(
            "RLE that cannot be read ({'size': [height, width], 'counts': ...} expected)"
        ) from None
    if (
        height < 1
        or width < 1
        or (runs < 0).any()
        or (runs > height * width).any()
        or runs.sum() != height * width
    ):
        raise DataError(f"RLE whose runs do not fill its size {height}x{width}")
    return runs


def _decompress(counts):
    """COCO's compressed counts: 5 bits a character, offset 48, 0x20 for 'goes on', two's complement, from the fourth run on differences."""
    codes = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 0x20:
        raise ValueError
    ends = np.flatnonzero((codes & 0x20) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digit = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    if digit.max() > 8:
        raise ValueError
    values = np.add.reduceat((codes & 0x1F) << (5 * digit), starts)
    values -= np.where(codes[ends] & 0x10, np.int64(1) << (5 * (ends - starts + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def rle_extent(runs, height):
    """(box x1, y1, x2, y2 around the pixels, None without any, and their number) of an RLE's run lengths; height: of its mask."""
    ends = np.cumsum(runs)
    first, last, lengths = ends[0:-1:2], ends[1::2] - 1, runs[1::2]  # of every run of 1s
    first, last = first[lengths > 0], last[lengths > 0]
    if not len(first):
        return None, 0
    column, last_column = first // height, last // height
    # a run over several columns reaches the foot of one and the head of the next
    whole = (last_column > column).any()
    top, bottom = (0, height) if whole else (int((first % height).min()), int((last % height).max()) + 1)
    return (float(column[0]), float(top), float(last_column[-1] + 1), float(bottom)), int(lengths.sum())


def rle_to_mask(rle):
    """uint8 0/1 [H, W] (Fortran order) of an RLE dict of that size. Raises DataError for a corrupt one."""
    runs = rle_counts(rle)
    flat = np.repeat(np.arange(len(runs), dtype=np.uint8) & 1, runs)
    return flat.reshape([int(side) for side in rle["size"]], order="F")


def mask_to_rle(mask):
    """COCO's compressed RLE {"size": [H, W], "counts": str} of a mask [H, W] (not zero is set)."""
    rle = mask_api.encode(np.asfortranarray(np.asarray(mask) != 0, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def segmentation_to_mask(segmentation, height, width):
    """uint8 0/1 [height, width] of one object's segmentation in a picture of that size, exactly as pycocotools has it.

    segmentation: a list of polygons (flat x, y, x, y, ... in pixels; the object is their union) or an RLE dict.
    Raises DataError for a corrupt RLE and for one of another size.
    """
    if isinstance(segmentation, dict):
        mask = rle_to_mask(segmentation)
        if mask.shape != (height, width):
            raise DataError(f"RLE of size {mask.shape[0]}x{mask.shape[1]} for a picture of {height}x{width}")
        return mask
    return _rasterise(segmentation, height, width)


def _rasterise(polygons, height, width):
    rles = mask_api.frPyObjects(
        [np.asarray(polygon, np.float64).tolist() for polygon in polygons], height, width
    )
    return mask_api.decode(rles[0] if len(rles) == 1 else mask_api.merge(rles))


def segmentation_box(segmentation):
    """The box (x1, y1, x2, y2) in pixels around a list of polygons or an RLE dict; None for an RLE without pixels."""
    if not isinstance(segmentation, dict):
        points = np.concatenate([np.asarray(polygon, np.float64) for polygon in segmentation]).reshape(-1, 2)
        return (*points.min(0).tolist(), *points.max(0).tolist())
    return pixels_box(rle_to_mask(segmentation))


def crop_rle(rle, box):
    """The part of an RLE's mask that its box x1, y1, x2, y2 needs, as an RLE dict with an "origin" (x, y) in pixels.

    It is smaller and faster to decode than the whole; `box_mask` takes it in the whole one's place.
    """
    mask = rle_to_mask(rle)
    left, top, right, bottom = _pixels_around(box, *mask.shape)
    return {**mask_to_rle(mask[top:bottom, left:right]), "origin": [left, top]}


def box_mask(segmentation, box, height, width, size):
    """An object's mask in its own box's frame: uint8 coverage 0..255 [size, size], the box stretched onto size x size cells.

    segmentation: polygons, an RLE dict, or one cut by `crop_rle`; box: x1, y1, x2, y2 in pixels of the picture of height x width.
    Cells larger than a pixel average over the pixels, smaller ones are interpolated between pixel centres, so that a cell is half
    covered where the pixel mask has its edge. A polygon too small to cover any pixel is drawn finer.
    """
    mask, corner, scale = _raster(segmentation, box, height, width, _CELLS * size)
    frame = _stretch(mask, box, corner, scale, size)
    if not isinstance(segmentation, dict) and not frame.any():
        mask, corner, scale = _raster(segmentation, box, height, width, size, finer=True)
        frame = _stretch(mask, box, corner, scale, size)
    return frame


def visible_box(segmentation, box, height, width):
    """The box x1, y1, x2, y2 around an object's pixels within a box, no larger than that box; None where it has no pixel there.

    Arguments as of `box_mask`: how an object's box shrinks when the picture around `box` is cut away.
    """
    mask, corner, scale = _raster(segmentation, box, height, width, _FINEST)
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


def pixels_box(mask):
    """The box (x1, y1, x2, y2), in pixels, around what is set in a mask [H, W]; None where nothing is."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def placed_mask(segmentation, axes, region):
    """uint8 0/1 [bottom-top, right-left]: an object's mask on a canvas, in its whole pixels left, top, right, bottom (`region`).

    axes: ((ax, bx), (ay, by)), which bring a point x, y of the picture to ax * x + bx, ay * y + by on the canvas (`Placement.axes`).
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
    mask, x0, y0 = _rasterise_region(polygons, left, top, right, bottom)
    return mask[top - y0 :, left - x0 :]


def mask_frame(mask, box, size):
    """As `box_mask`, of a mask uint8 0/1 [H, W] instead of a segmentation; box: x1, y1, x2, y2 in its pixels."""
    return _stretch(mask, box, (0, 0), 1.0, size)


def _raster(segmentation, box, height, width, resolution, finer=False):
    """(mask uint8 0/1 [h, w] of what is near a box, its corner (x, y) in raster pixels, raster pixels a picture pixel (x, y)).

    A polygon's box gets at most `resolution` raster pixels a side, or just so many if `finer`.
    """
    if isinstance(segmentation, dict):
        mask = rle_to_mask(segmentation)
        corner = np.array(segmentation.get("origin", (0, 0)))
        if "origin" not in segmentation:
            left, top, right, bottom = _pixels_around(box, *mask.shape)
            mask, corner = mask[top:bottom, left:right], np.array([left, top])
        return mask, corner, np.ones(2)
    x1, y1, x2, y2 = (float(value) for value in box)
    scale = resolution / np.array([x2 - x1, y2 - y1])
    if not finer:
        scale = np.minimum(1.0, scale)
    polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) * scale for polygon in segmentation]
    near = _pixels_around(
        (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]),
        int(np.ceil(height * scale[1])),
        int(np.ceil(width * scale[0])),
    )
    mask, x0, y0 = _rasterise_region(polygons, *near, lowest=0)
    return mask, np.array([x0, y0]), scale


def _rasterise_region(polygons, left, top, right, bottom, lowest=-np.inf):
    """(mask, x0, y0): polygons [n, 2] rasterised from pixel x0, y0 to right, bottom.

    pycocotools rounds toward zero, so points left of its origin would round the other way: it starts where the polygons start, or at `lowest`.
    """
    low = np.floor(np.min([polygon.min(0) for polygon in polygons], 0))
    x0, y0 = int(min(max(low[0], lowest), left)), int(min(max(low[1], lowest), top))
    return _rasterise([(polygon - (x0, y0)).ravel() for polygon in polygons], bottom - y0, right - x0), x0, y0


def _pixels_around(box, height, width):
    """left, top, right, bottom of the whole pixels around a box, and one more for interpolation, within the picture."""
    x1, y1, x2, y2 = (float(value) for value in box)
    left, top = max(int(np.floor(x1)) - 1, 0), max(int(np.floor(y1)) - 1, 0)
    return (
        left,
        top,
        max(min(int(np.ceil(x2)) + 1, width), left + 1),
        max(min(int(np.ceil(y2)) + 1, height), top + 1),
    )


def _stretch(mask, box, corner, scale, size):
    """uint8 [size, size] of a 0/1 mask's region: the box x1, y1, x2, y2 at `scale`, less the mask's corner (x, y)."""
    x1, y1, x2, y2 = (np.asarray(box, np.float64).reshape(2, 2) * scale - corner).ravel().tolist()
    # two samples a cell and side, averaged, where a cell is larger than a pixel: more adds nothing (measured on COCO)
    fine_x, fine_y = (2 if side > size else 1 for side in (x2 - x1, y2 - y1))
    step_x, step_y = (x2 - x1) / (size * fine_x), (y2 - y1) / (size * fine_y)
    # OpenCV counts from pixel centres: output centre i + 1/2 lies at x1 + (i + 1/2) * step, which is pixel position less 1/2
    to_source = np.array([[step_x, 0, x1 + 0.5 * step_x - 0.5], [0, step_y, y1 + 0.5 * step_y - 0.5]])
    frame = cv2.warpAffine(
        np.ascontiguousarray(mask) * np.uint8(255),
        to_source,
        (size * fine_x, size * fine_y),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return frame if fine_x == fine_y == 1 else cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


def flip_mask(mask):
    """A mask [..., W] mirrored left to right; its own inverse. A box-frame mask is flipped the same way with its box."""
    return np.ascontiguousarray(mask[..., ::-1])


def cut_mask(mask, box, size):
    """float32 [size, size]: a picture's mask [H, W] sampled bilinearly at the cell centres of a box x1, y1, x2, y2 in pixels.

    Pixels outside the picture count as 0. What RoIAlign with one sample a cell and half-pixel-correct coordinates gives.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    cells = (np.arange(size) + 0.5) / size
    down = _tent(y1 + cells * (y2 - y1) - 0.5, mask.shape[0])
    across = _tent(x1 + cells * (x2 - x1) - 0.5, mask.shape[1])
    return down @ mask.astype(np.float32) @ across.T


def paste_mask(prob, box, height, width, threshold=0.5):
    """uint8 0/1 [height, width]: a probability mask float [m, m] in a box's frame, pasted into a picture of height x width.

    box: x1, y1, x2, y2 in pixels; a pixel is set where its centre, sampled bilinearly (0 beyond the mask's outermost cell centres'
    neighbours), has at least the threshold. Only the box's region is computed. A box without area sets nothing.
    """
    out = np.zeros((height, width), np.uint8)
    cells = len(prob)
    x1, y1, x2, y2 = (float(value) for value in box)
    if not (x2 > x1 and y2 > y1):
        return out
    # half a cell around the box is where interpolation with the zeros outside still gives something
    left, right = _span(x1, x2, cells, width)
    top, bottom = _span(y1, y2, cells, height)
    if right <= left or bottom <= top:
        return out
    down = _tent((np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * cells - 0.5, cells)
    across = _tent((np.arange(left, right) + 0.5 - x1) / (x2 - x1) * cells - 0.5, cells)
    # bilinear sampling is separable, and two small matrix products are faster than any gather
    out[top:bottom, left:right] = down @ np.asarray(prob, np.float32) @ across.T >= threshold
    return out


def _span(low, high, cells, length):
    reach = (high - low) / (2 * cells)
    return max(int(np.floor(low - reach)), 0), min(int(np.ceil(high + reach)), length)


def _tent(positions, count):
    """float32 [p, count] bilinear weights of `count` samples for positions [p] (sample i is at i); 0 beyond one sample from the ends."""
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(count)), 0).astype(np.float32)
