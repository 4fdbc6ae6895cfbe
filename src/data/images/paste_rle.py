"""Masks of detections pasted into a picture and encoded in one go, without a picture-sized mask.

It gives what `mask_to_rle(paste_mask(...))` gives, of which it is the fast form: only the pixels of the box
are computed, and the runs are those of its columns moved to their place in the picture.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
from pycocotools import mask as mask_api

from .box_masks import paste_window


def pasted_rle(
    prob: np.ndarray, box: Sequence[float], height: int, width: int, threshold: float = 0.5
) -> dict:
    """COCO's compressed RLE {"size": [height, width], "counts": str} of a pasted mask.

    Args:
        prob, box, height, width, threshold: As of `paste_mask`.
    """
    window = paste_window(prob, box, height, width, threshold)
    runs = [height * width]
    if window is not None:
        runs = window_runs(window.columns, window.left, window.top, height, width)
    rle = mask_api.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def window_runs(columns: np.ndarray, left: int, top: int, height: int, width: int) -> list:
    """Run lengths, zeros first and column by column, of a picture that is set in a window only.

    Args:
        columns: bool [w, h], the window's pixels, a row of the array for each column of the picture.
        left, top: The window's first column and row in the picture.
        height, width: Of the picture in pixels.
    """
    num_columns, num_rows = columns.shape
    framed = np.zeros((num_columns, num_rows + 2), bool)
    framed[:, 1:-1] = columns
    # Where a column changes: [i, j] says that its pixel j differs from the one above it.
    changes = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    column, row = np.divmod(changes, num_rows + 1)
    ends = (left + column) * height + top + row
    # A run that reaches a column's last pixel goes on at the first of the next: no change there.
    joins = np.flatnonzero(ends[1:] == ends[:-1])
    if len(joins):
        ends = np.delete(ends, np.concatenate([joins, joins + 1]))
    runs = np.diff(ends, prepend=0, append=height * width)
    # Runs of 1s that reach the last pixel end the counts; there is no empty run of 0s after them.
    return runs[:-1].tolist() if runs[-1] == 0 and len(runs) > 1 else runs.tolist()
