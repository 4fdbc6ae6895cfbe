"""Run-length encoding of masks, as COCO has it: made, checked and decoded here."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as mask_api

from ...errors import DataError


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
    """Run lengths of COCO's compressed counts.

    A character is 48 plus 5 bits of a number; bit 0x20 says that the number continues. Numbers are in two's
    complement. From the fourth run on they are differences to the run two before.
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


def rle_extent(runs: np.ndarray, height: int) -> tuple[tuple | None, int]:
    """The box around the pixels of an RLE, and their number.

    Args:
        runs: int64 [r], as `rle_counts` returns them.
        height: of the RLE's mask.

    Returns:
        ((x1, y1, x2, y2), pixels); (None, 0) if no pixel is set.
    """
    ends = np.cumsum(runs)
    first, last, lengths = ends[0:-1:2], ends[1::2] - 1, runs[1::2]  # of every run of 1s
    first, last = first[lengths > 0], last[lengths > 0]
    if not len(first):
        return None, 0
    column, last_column = first // height, last // height
    # a run over several columns reaches the last row of one and the first row of the next
    whole = (last_column > column).any()
    top, bottom = (0, height) if whole else (int((first % height).min()), int((last % height).max()) + 1)
    return (float(column[0]), float(top), float(last_column[-1] + 1), float(bottom)), int(lengths.sum())


def rle_to_mask(rle: dict) -> np.ndarray:
    """The mask uint8 0/1 [H, W] (Fortran order) of an RLE dict. Raises DataError for a corrupt one."""
    runs = rle_counts(rle)
    flat = np.repeat(np.arange(len(runs), dtype=np.uint8) & 1, runs)
    return flat.reshape([int(side) for side in rle["size"]], order="F")


def mask_to_rle(mask: np.ndarray) -> dict:
    """COCO's compressed RLE {"size": [H, W], "counts": str} of a mask [H, W] (not zero is set)."""
    rle = mask_api.encode(np.asfortranarray(np.asarray(mask) != 0, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
