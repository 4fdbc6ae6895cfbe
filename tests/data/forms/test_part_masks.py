"""Masks of parts of pictures as RLE of the whole picture, beside pycocotools' encoding of the whole mask."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.data.forms.items import JoinedParts, PartMask
from src.data.forms.part_masks import picture_rle

WIDTH, HEIGHT = 13, 9


def whole(part):
    """bool [HEIGHT, WIDTH] of a PartMask, pixel by pixel."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for y, x in zip(*np.nonzero(part.pixels)):
        if 0 <= y + part.top < HEIGHT and 0 <= x + part.left < WIDTH:
            mask[y + part.top, x + part.left] = True
    return mask


@pytest.mark.parametrize("seed", range(200))
def test_the_same_text_as_of_the_whole_mask(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12, 2)
    left, top = rng.integers(-4, 13, 2).tolist()
    part = PartMask(left, top, rng.random(shape) < rng.choice([0.1, 0.5, 0.9, 1.0]))
    expected = mask_api.encode(np.asfortranarray(whole(part), np.uint8))["counts"].decode()
    assert picture_rle(part, WIDTH, HEIGHT) == {"size": [HEIGHT, WIDTH], "counts": expected}


def test_joined_parts_cover_what_any_of_them_covers():
    masks = [PartMask(0, 0, np.ones((2, 3), bool)), PartMask(10, 7, np.ones((9, 9), bool))]
    polygon = [5.0, 3.0, 8.0, 3.0, 8.0, 5.0, 5.0, 5.0]
    rle = picture_rle(JoinedParts([polygon], masks), WIDTH, HEIGHT)
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[:2, :3] = 1
    expected[7:, 10:] = 1
    expected[3:5, 5:8] = 1
    assert (mask_api.decode(rle) == expected).all()
