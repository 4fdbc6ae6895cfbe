"""Label Studio's brush masks: the RLE of @thi.ng/rle-pack over the RGBA bytes of a whole picture.

A stream of bits, the highest first: 32 of the number of bytes, 5 of the word size minus 1, 4 times 4 of the
sizes of run lengths minus 1. Then for each block 1 bit (1: one value repeated, 0: values one by one), 2 of
which size its length has, the length minus 1, and the value or values. The mask is where alpha is not 0.
"""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import numpy as np

from ...items import PartMask

_CHANNELS = 4
_WORD = 8
_ZERO = "0" * _WORD


def brush_mask(values: Sequence[int], width: int, height: int) -> Optional[PartMask]:
    """The mask of a brush region.

    Args:
        values: the bytes of `value.rle`.
        width, height: of the picture as labelled.

    Returns:
        The mask; None if it has no pixel.

    Raises:
        ValueError, TypeError: it is corrupt, or not of this size.
    """
    if not isinstance(values, list):
        # bytes(9) would be nine zeros
        raise TypeError("a list of bytes expected")
    runs = _alpha_runs(bytes(values), width * height * _CHANNELS)
    if not runs:
        return None
    top = runs[0][0] // width
    bottom = (runs[-1][1] - 1) // width + 1
    first = top * width
    flat = np.zeros((bottom - top) * width, bool)
    for start, end in runs:
        flat[start - first : end - first] = True
    pixels = flat.reshape(bottom - top, width)
    columns = np.flatnonzero(pixels.any(0))
    left = int(columns[0])
    return PartMask(left, top, pixels[:, left : int(columns[-1]) + 1])


def _alpha_runs(data: bytes, count: int) -> List[Tuple[int, int]]:
    """The runs [first pixel, last + 1] of pixels whose alpha is not 0, row by row, of `count` bytes RGBA."""
    bits = bin(int.from_bytes(b"\1" + data, "big"))[3:]
    if int(bits[:32], 2) != count or int(bits[32:37], 2) + 1 != _WORD:
        raise ValueError(f"RLE of {int(bits[:32], 2)} values, {count} expected: 4 for each pixel")
    sizes = [int(bits[start : start + 4], 2) + 1 for start in (37, 41, 45, 49)]
    runs: List[Tuple[int, int]] = []
    position = 53
    done = 0
    while done < count:
        size = sizes[int(bits[position + 1 : position + 3], 2)]
        length = int(bits[position + 3 : position + 3 + size], 2) + 1
        is_repeated = bits[position] == "1"
        position += 3 + size
        end = min(done + length, count)
        if is_repeated:
            # the alpha of pixel p is byte 4p + 3: those of the bytes from `done` to `end` are these
            if bits[position : position + _WORD] != _ZERO:
                _add_run(runs, done // _CHANNELS, end // _CHANNELS)
            position += _WORD
        else:
            for byte in range(done + (_CHANNELS - 1 - done) % _CHANNELS, end, _CHANNELS):
                start = position + _WORD * (byte - done)
                if bits[start : start + _WORD] != _ZERO:
                    _add_run(runs, byte // _CHANNELS, byte // _CHANNELS + 1)
            position += _WORD * length
        done = end
    if position > len(bits):
        raise ValueError("RLE that is cut off")
    return runs


def _add_run(runs, start, end):
    """Add a run, or make the last one longer."""
    if start == end:
        return
    if runs and runs[-1][1] == start:
        runs[-1] = (runs[-1][0], end)
    else:
        runs.append((start, end))
