"""Mask files: pictures whose values say which object a pixel belongs to. They lose nothing, as PNG does.

0, or black, is no object.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ...errors import DataError
from ..images.decode import picture_size
from ..images.paste_rle import window_runs
from .id_images import colour_codes, decode_id_image

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")  # formats that lose nothing
# Of a mask's pixels; where the values change more often than that, it is a photo.
_CHANGING_SHARE = 0.25
_SMALLEST_PHOTO = 1024  # pixels: of a smaller mask nothing is said


class IdMask(NamedTuple):
    """One of the objects of a mask file.

    Attributes:
        value: its pixels' value; a colour as red * 65536 + green * 256 + blue.
        rle: {"size": [height, width], "counts": run lengths, column by column}.
        parts: in how many parts its pixels lie; counted only where the file has no other value.
    """

    value: int
    rle: dict
    parts: Optional[int] = None


def read_mask(path: Path) -> np.ndarray:
    """The values of a mask file.

    Args:
        path: the file.

    Returns:
        uint8, uint16 or int32 [H, W]; 0 is no object.

    Raises:
        DataError: what is wrong with the file, without its name.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from None
    return mask_values(data)


def mask_values(data: bytes) -> np.ndarray:
    """`read_mask` of a file's bytes.

    Colours are numbers. What is transparent is no object; where all is black, what is not transparent is the
    object.
    """
    image = decode_id_image(data)
    if image.values.ndim == 2:
        return image.values
    red, green, blue = (image.values[..., channel] for channel in range(3))
    if (red == green).all() and (green == blue).all():
        combined = np.ascontiguousarray(red)
    elif image.values.dtype == np.uint8:
        combined = colour_codes(image.values)
    else:
        wide = (red.astype(np.int64) << 32) | (green.astype(np.int64) << 16) | blue
        found, position = np.unique(wide, return_inverse=True)
        # numbers in the order of the colours; black is 0
        combined = (position.reshape(wide.shape) + (found[0] != 0)).astype(np.int32)
    if image.is_visible is None:
        return combined
    return np.where(image.is_visible, combined, 0) if combined.any() else image.is_visible.astype(np.uint8)


def object_rle(values: np.ndarray) -> dict:
    """The RLE {"size": [height, width], "counts": run lengths} of all that is not 0."""
    height, width = values.shape
    mask = values != 0
    rows = np.flatnonzero(mask.any(1))
    runs = [height * width]
    if len(rows):
        mask = mask[rows[0] : rows[-1] + 1]
        columns = np.flatnonzero(mask.any(0))
        window = mask[:, columns[0] : columns[-1] + 1]
        runs = window_runs(window.T, int(columns[0]), int(rows[0]), height, width)
    return {"size": [height, width], "counts": runs}


def _rle(starts, ends, shape):
    edges = np.empty(2 * len(starts), np.int64)
    edges[0::2] = starts
    edges[1::2] = ends
    size = shape[0] * shape[1]
    counts = np.diff(edges, prepend=0, append=size).tolist()
    if len(counts) > 1 and counts[-1] == 0:
        # there is no empty run of 0s after the last pixel
        counts.pop()
    return {"size": list(shape), "counts": counts}


def id_rles(values: np.ndarray) -> List[IdMask]:
    """The objects of a mask file, one for each value but 0, in the order of the values.

    All of them come from one pass over the pixels: no mask of an object is made.

    Args:
        values: as of `read_mask`.

    Raises:
        DataError: it looks like a photo.
    """
    flat = cv2.transpose(values).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if len(changes) > _CHANGING_SHARE * flat.size and flat.size >= _SMALLEST_PHOTO:
        raise DataError(
            f"it looks like a photo, not like the ids of objects: its values change {len(changes)} times "
            f"in {flat.size} pixels"
        )
    starts = np.concatenate([[0], changes])
    ends = np.concatenate([changes, [flat.size]])
    ids = flat[starts]
    kept = np.flatnonzero(ids)
    kept = kept[np.argsort(ids[kept], kind="stable")]
    groups, first = np.unique(ids[kept], return_index=True)
    last = [*first[1:].tolist(), len(kept)]
    found = []
    for value, start, end in zip(groups.tolist(), first.tolist(), last):
        rows = kept[start:end]
        found.append(IdMask(value, _rle(starts[rows], ends[rows], values.shape)))
    if len(found) == 1:
        parts = cv2.connectedComponents((values != 0).astype(np.uint8))[0] - 1
        found[0] = found[0]._replace(parts=parts)
    return found


def picture_size_if_readable(path: Path) -> Optional[Tuple[int, int]]:
    """(width, height) in pixels; None for a picture that cannot be read, of which `collect_form` says so."""
    try:
        height, width = picture_size(path)
    except DataError:
        return None
    return width, height


def size_problem(shape: Sequence[int], size: Optional[Tuple[int, int]], name: str) -> str:
    """The detail of the finding `mask_size`; "" where a mask fits its picture, displayed or as stored (EXIF).

    Args:
        shape: (height, width) of the mask.
        size: (width, height) of the picture; None: not known.
        name: of the picture.
    """
    if size is None or tuple(shape) in (size, size[::-1]):
        return ""
    masks = f"the mask is {shape[1]}x{shape[0]} (width x height)"
    return f"{masks}, its picture {name} is {size[0]}x{size[1]}"


def value_text(value: int) -> str:
    """How findings call an object of a mask file: by its value, or by its colour."""
    return f"id {value}" if value <= 0xFFFF else f"colour #{value:06x}"
