"""Pasted masks as run lengths: the fast form against a pasted mask that pycocotools encodes."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.data.images.box_masks import paste_mask
from src.data.images.paste_rle import pasted_rle

SIZES = [(480, 640), (30, 41), (7, 5), (1, 9), (9, 1), (1, 1)]


def random_boxes(rng, count, height, width):
    """Boxes of all sizes, a part of them over the picture's borders."""
    sides = np.exp(rng.uniform(0, 1, (count, 2)) * np.log([2.0 * width, 2.0 * height]))
    centres = rng.uniform(0, 1, (count, 2)) * (width, height)
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def random_mask(rng):
    """A mask [28, 28]: full, empty, a disk, or stripes and spots with many short runs."""
    kind = rng.integers(4)
    if kind < 2:
        return np.full((28, 28), float(kind), np.float32)
    if kind == 2:
        rows, columns = np.mgrid[:28, :28] - 13.5
        return (np.hypot(rows, columns) < rng.uniform(2, 16)).astype(np.float32)
    return rng.uniform(0, 1, (28, 28)).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_runs_are_those_of_the_pasted_mask(height, width):
    rng = np.random.default_rng(height * 1000 + width)
    special = [(0, 0, width, height), (-3, -3, width + 3, height + 3), (width, 0, width + 4, 4), (2, 2, 2, 5)]
    for box in [*special, *random_boxes(rng, 150, height, width)]:
        prob = random_mask(rng)
        threshold = rng.choice([0.3, 0.5])
        mask = paste_mask(prob, box, height, width, threshold)
        expected = mask_api.encode(np.asfortranarray(mask))
        rle = pasted_rle(prob, box, height, width, threshold)
        assert rle == {"size": [height, width], "counts": expected["counts"].decode()}, (box, threshold)


def test_runs_of_a_full_box():
    # columns 1 and 2 of a picture of 3 rows and 4 columns: 3 zeros, 6 ones, 3 zeros
    rle = pasted_rle(np.ones((2, 2), np.float32), (1, 0, 3, 3), 3, 4)
    expected = mask_api.frPyObjects({"size": [3, 4], "counts": [3, 6, 3]}, 3, 4)
    assert rle["counts"] == expected["counts"].decode()


def test_runs_that_start_and_end_with_ones():
    # the last column alone, and its last pixel ends the picture: no run of zeros follows
    rle = pasted_rle(np.ones((2, 2), np.float32), (3, 0, 4, 3), 3, 4)
    assert mask_api.decode({"size": [3, 4], "counts": rle["counts"].encode()})[:, 3].tolist() == [1, 1, 1]
    whole = pasted_rle(np.ones((2, 2), np.float32), (0, 0, 4, 3), 3, 4)
    expected = mask_api.frPyObjects({"size": [3, 4], "counts": [0, 12]}, 3, 4)
    assert whole["counts"] == expected["counts"].decode()
