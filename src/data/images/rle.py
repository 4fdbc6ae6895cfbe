"""Run-length encoding of masks, as COCO has it: made, checked and decoded here."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError


class RleExtent(NamedTuple):
    """What an RLE covers.

    Attributes:
        box: x1, y1, x2, y2 in pixels around what is set; None if nothing is.
        area: number of pixels that are set.
    """

    box: Optional[Tuple[float, float, float, float]]
    area: int


def rle_counts(rle: dict) -> np.ndarray:
    """The run lengths of an RLE. Runs alternate, zeros first, column by column.

    Args:
        rle: {"size": [height, width], "counts": COCO's compressed text or bytes, or a list of whole numbers}.

    Returns:
        int64 [r].

    Raises:
        DataError: unless the runs fill the size exactly. pycocotools does not check this and writes beyond
            its memory.
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
    pixels = height * width
    is_size_valid = height >= 1 and width >= 1
    if not is_size_valid or (runs < 0).any() or (runs > pixels).any() or runs.sum() != pixels:
        raise DataError(f"RLE whose runs do not fill its size {height}x{width}")
    return runs


def _decompress(counts: bytes) -> np.ndarray:
    """Run lengths of COCO's compressed counts (rleFrString in maskApi.c of pycocotools).

    A character is 48 plus 5 bits of a number, the lowest bits first; bit 0x20 says that the number continues.
    Numbers are in two's complement. From the fourth run on they are differences to the run two before.

    Returns:
        int64 [r].

    Raises:
        ValueError: for other characters, and for a number that has no end or does not fit 45 bits.
    """
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


def rle_extent(runs: np.ndarray, height: int) -> RleExtent:
    """What an RLE covers, without decoding it.

    Args:
        runs: int64 [r], as `rle_counts` returns them.
        height: of the RLE's mask.
    """
    # the pixels of every run of 1s, counted column by column
    ends = np.cumsum(runs)
    lengths = runs[1::2]
    first = ends[0:-1:2][lengths > 0]
    last = ends[1::2][lengths > 0] - 1
    if not len(first):
        return RleExtent(None, 0)
    first_column = first // height
    last_column = last // height
    if (last_column > first_column).any():
        # a run over several columns reaches the last row of one and the first row of the next
        top = 0
        bottom = height
    else:
        top = int((first % height).min())
        bottom = int((last % height).max()) + 1
    box = (float(first_column[0]), float(top), float(last_column[-1] + 1), float(bottom))
    return RleExtent(box, int(lengths.sum()))


def rle_to_mask(rle: dict) -> np.ndarray:
    """The mask of an RLE.

    Args:
        rle: as of `rle_counts`.

    Returns:
        uint8 0/1 [H, W], in Fortran order.

    Raises:
        DataError: for a corrupt RLE.
    """
    runs = rle_counts(rle)
    flat = np.repeat(np.arange(len(runs), dtype=np.uint8) & 1, runs)
    return flat.reshape([int(side) for side in rle["size"]], order="F")


def mask_to_rle(mask: np.ndarray) -> dict:
    """COCO's compressed RLE {"size": [H, W], "counts": str} of a mask [H, W] (not zero is set)."""
    rle = mask_api.encode(np.asfortranarray(np.asarray(mask) != 0, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
