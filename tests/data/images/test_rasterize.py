"""Rasterised segmentations against pycocotools and known values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pycocotools import mask as mask_api

from src.data.images.box_masks import box_mask
from src.data.images.rasterize import pixels_box, segmentation_to_mask
from src.data.images.rle import mask_to_rle, rle_to_mask
from tests.data.images.real_objects import real_objects


def test_every_kind_of_segmentation_equals_pycocotools_on_real_annotations(shared: Path) -> None:
    kinds = set()
    for split in ("train2017", "val2017"):
        for annotation, height, width, _ in real_objects(shared, split):
            segmentation = annotation["segmentation"]
            encoded = mask_api.frPyObjects(segmentation, height, width)
            expected = mask_api.decode(mask_api.merge(encoded) if isinstance(encoded, list) else encoded)
            kinds.add((type(segmentation).__name__, annotation["iscrowd"]))
            assert np.array_equal(segmentation_to_mask(segmentation, height, width), expected)
            compressed = {"size": [height, width], "counts": mask_api.encode(expected)["counts"]}
            assert np.array_equal(rle_to_mask(compressed), expected)
            assert mask_to_rle(expected)["counts"].encode() == compressed["counts"]
    assert kinds == {("list", 0), ("dict", 1)}


def test_overlapping_polygons_are_a_union() -> None:
    polygon = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]
    once = segmentation_to_mask([polygon], 10, 10)
    assert once.sum() == 36
    assert np.array_equal(segmentation_to_mask([polygon, polygon], 10, 10), once)
    assert np.array_equal(
        box_mask([polygon, polygon], (2, 2, 8, 8), 10, 10, 28), box_mask([polygon], (2, 2, 8, 8), 10, 10, 28)
    )


def test_the_box_around_the_pixels_of_a_mask() -> None:
    mask = np.zeros((9, 12), np.uint8)
    mask[2:5, 3:11] = 1
    assert pixels_box(rle_to_mask(mask_to_rle(mask))) == (3, 2, 11, 5)
    assert pixels_box(np.zeros((4, 4), np.uint8)) is None
