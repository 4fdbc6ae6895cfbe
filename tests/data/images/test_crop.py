"""Boxes of objects that are cut at the edges of a crop, against pycocotools."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.data.images.box_masks import box_mask
from src.data.images.crop import crop_object_box, crop_rle
from src.data.images.rasterize import segmentation_to_mask
from src.data.images.rle import mask_to_rle
from tests.data.images.real_objects import real_objects


def test_crop_object_box_is_that_of_pycocotools_mask(shared: Path) -> None:
    """Every real object, cut by random boxes: the whole pixels of its mask within the box."""
    rng = np.random.default_rng(2)
    empty = 0
    for number, (annotation, height, width, box) in enumerate(real_objects(shared, "train2017")):
        if number == 400:
            break
        segmentation = annotation["segmentation"]
        mask = segmentation_to_mask(segmentation, height, width)
        # a crop around the middle of the box
        middle_x, middle_y = ((box[:2] + box[2:]) / 2).astype(int)
        left, top = rng.integers(0, middle_x + 1), rng.integers(0, middle_y + 1)
        right, bottom = rng.integers(middle_x + 1, width + 1), rng.integers(middle_y + 1, height + 1)
        cut_box = np.clip(box, (left, top, left, top), (right, bottom, right, bottom))
        new_box = crop_object_box(segmentation, cut_box, height, width)
        rows, columns = np.nonzero(mask[top:bottom, left:right])
        expected = None
        if len(rows):
            low = np.array([columns.min() + left, rows.min() + top])
            high = np.array([columns.max() + left, rows.max() + top]) + 1
            if (high > cut_box[:2]).all() and (low < cut_box[2:]).all():
                expected = np.concatenate([np.maximum(low, cut_box[:2]), np.minimum(high, cut_box[2:])])
        if expected is None:
            empty += 1
            continue
        # an annotated box may leave out pixels that its mask has
        assert new_box is not None
        assert np.abs(np.array(new_box) - expected).max() <= 1.01
        assert box_mask(segmentation, new_box, height, width, 28).any()
    assert number == 400
    assert empty < 40


def test_crop_rle_gives_the_same_box(shared: Path) -> None:
    """The part of an RLE that a box needs is all that a smaller box needs."""
    for annotation, height, width, box in real_objects(shared):
        rle = mask_to_rle(segmentation_to_mask(annotation["segmentation"], height, width))
        cropped = crop_rle(rle, box)
        # the box in whole pixels, and one pixel a side
        assert (np.array(cropped["size"]) <= (box[2:] - box[:2])[::-1] + 4).all()
        middle = (box[:2] + box[2:]) / 2
        for part in ((*box[:2], *middle), (*middle, *box[2:])):
            expected = crop_object_box(rle, part, height, width)
            assert crop_object_box(cropped, part, height, width) == expected
