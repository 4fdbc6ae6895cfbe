"""Pictures that look alike: copies, other sizes or compressions of one picture, frames of a scene.

Each picture gets 64 bits by dHash (Krawetz, "Kind of Like That", 2013): whether brightness falls from one of
9x8 cells to the next. Pictures whose bits differ in few places are grouped, and groups that share a picture
are one. (The package imagehash needs SciPy and PyWavelets, and has no search.)
"""

from __future__ import annotations

from typing import Tuple

import numpy as np
from PIL import Image, ImageOps

from ..images.decode import read_picture

_COLUMNS = 8
_ROWS = 8
_PLAIN_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel
_BLOCK = 2_000  # hashes that are compared with all others of their bucket at once


def picture_hash(path: str) -> int:
    """The dHash of a picture file, as it is displayed.

    Raises:
        DataError: it cannot be read.
    """
    cells = _cells(path)
    bits = (cells[:, :-1] > cells[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _cells(path: str) -> np.ndarray:
    """uint8 [8, 9], the brightness of the cells."""
    size = (_COLUMNS + 1, _ROWS)
    try:
        with Image.open(path) as picture:
            if picture.mode in _PLAIN_MODES:
                picture.draft("L", (8 * size[0], 8 * size[1]))  # JPEG files are decoded at a smaller size
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(upright.convert("L").resize(size, Image.Resampling.BOX))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        pass  # read_picture says what is wrong, or reads what Pillow alone does not
    return np.asarray(Image.fromarray(read_picture(path)).convert("L").resize(size, Image.Resampling.BOX))


def near_duplicate_groups(hashes: np.ndarray, distance: int) -> np.ndarray:
    """The group of each of n pictures: those of a chain in which neighbours differ in few bits.

    The bits are divided into distance + 1 pieces: two hashes that differ in at most `distance` bits have one
    of the pieces in common (multi-index hashing: Norouzi, Punjani, Fleet, CVPR 2012). Only hashes that do
    are compared.

    Args:
        hashes: uint64 [n].
        distance: the most bits in which neighbours differ, 0 to 63.

    Returns:
        int64 [n]: the groups' numbers from 0, in the order of their first pictures.
    """
    different, position = np.unique(hashes, return_inverse=True)
    roots = np.arange(len(different))
    edges = np.linspace(0, 64, distance + 2).astype(int)
    for low, high in zip(edges, edges[1:]):
        piece = (different >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(piece, kind="stable")
        starts = np.flatnonzero(np.diff(piece[order], prepend=piece[order][:1] + np.uint64(1)))
        for start, end in zip(starts, [*starts[1:], len(order)]):
            if end - start > 1:
                _join_bucket(order[start:end], different, distance, roots)
    group = np.array([_root(roots, i) for i in range(len(different))], np.int64)[position.ravel()]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number.ravel()]


def _join_bucket(rows: np.ndarray, hashes: np.ndarray, distance: int, roots: np.ndarray) -> None:
    """Join the groups of those of some hashes that are near each other."""
    values = hashes[rows]
    for start in range(0, len(rows), _BLOCK):
        block = values[start : start + _BLOCK]
        for first, second in zip(*_near_pairs(block, values[start:], distance)):
            a = _root(roots, rows[start + first])
            b = _root(roots, rows[start + second])
            roots[max(a, b)] = min(a, b)


def _near_pairs(block: np.ndarray, others: np.ndarray, distance: int) -> Tuple[np.ndarray, np.ndarray]:
    first, second = np.nonzero(_set_bits(block[:, None] ^ others[None]) <= distance)
    is_pair = first < second
    return first[is_pair], second[is_pair]


def _root(roots: np.ndarray, i: int) -> int:
    """The smallest row of a row's group; the way there is made shorter."""
    while roots[i] != i:
        roots[i] = roots[roots[i]]
        i = roots[i]
    return int(i)


def _set_bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 are set, added up in fields of 2, 4 and 8 bits."""
    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    values = (values & pairs) + ((values >> np.uint64(2)) & pairs)
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (values * np.uint64(0x0101010101010101)) >> np.uint64(56)
