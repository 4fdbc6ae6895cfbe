"""Run-length encoding against pycocotools and known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from src.data.images.box_masks import flip_mask
from src.data.images.rle import mask_to_rle, rle_counts, rle_extent, rle_to_mask
from src.errors import DataError


def test_uncompressed_rle_known_pixels() -> None:
    """10 rows, 5 columns, column by column: 20 pixels set are the first two columns."""
    mask = rle_to_mask({"size": [10, 5], "counts": [0, 20, 30]})
    assert np.array_equal(mask, np.repeat([[1, 1, 0, 0, 0]], 10, 0))


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [10, 5], "counts": [0, 20, 31]},
        {"size": [10, 5], "counts": [0, 20]},
        {"size": [10, 5], "counts": [-1, 51]},
        {"size": [10, 5], "counts": "oooo"},
        {"size": [10, 5], "counts": "\u00e9"},
        {"size": [10, 5], "counts": ""},
        {"size": [10, 5]},
        {"size": "ab", "counts": [50]},
        {"size": [0, 0], "counts": []},
        {"size": [10, 5], "counts": [[1], [2]]},
        {"size": [10, 5], "counts": None},
        {"size": [10, 5], "counts": [0.5, 49.5]},
        {"size": [float("nan"), 5], "counts": [50]},
        {"size": [10, 5], "counts": [10**30]},
        {"counts": [50]},
        {"size": [10, 5], "counts": b"\x00\xff"},
    ],
)
def test_corrupt_rle_is_a_data_error(rle: dict) -> None:
    with pytest.raises(DataError):
        rle_to_mask(rle)


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=12),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_any_counts_text_decodes_as_pycocotools_does_or_is_refused(
    counts: str, height: int, width: int
) -> None:
    rle = {"size": [height, width], "counts": counts}
    try:
        mask = rle_to_mask(rle)
    except DataError:
        return
    assert np.array_equal(mask, mask_api.decode({"size": [height, width], "counts": counts.encode()}))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rle_there_and_back_and_flips(height: int, width: int, seed: int) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < 0.4).astype(np.uint8)
    assert np.array_equal(rle_to_mask(mask_to_rle(mask)), mask)
    assert np.array_equal(flip_mask(flip_mask(mask)), mask)
    assert np.array_equal(flip_mask(mask), np.fliplr(mask))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 0.5), st.integers(0, 2**32 - 1))
def test_the_extent_of_an_rle_is_that_of_its_pixels(
    height: int, width: int, density: float, seed: int
) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < density).astype(np.uint8)
    box, area = rle_extent(rle_counts(mask_to_rle(mask)), height)
    rows, columns = np.nonzero(mask)
    assert area == len(rows)
    if not area:
        assert box is None
    else:
        assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
