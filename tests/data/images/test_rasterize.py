"""Rasterised segmentations against pycocotools and known values."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as mask_api

from src.data.images import box_masks, rasterize
from src.data.images import rle as rle_codec
from tests.data.images.real_objects import real_objects


def test_every_kind_of_segmentation_equals_pycocotools_on_real_annotations(shared):
    kinds = set()
    for split in ("train2017", "val2017"):
        for annotation, height, width, _ in real_objects(shared, split):
            segmentation = annotation["segmentation"]
            encoded = mask_api.frPyObjects(segmentation, height, width)
            expected = mask_api.decode(mask_api.merge(encoded) if isinstance(encoded, list) else encoded)
            kinds.add((type(segmentation).__name__, annotation["iscrowd"]))
            assert np.array_equal(rasterize.segmentation_to_mask(segmentation, height, width), expected)
            compressed = {"size": [height, width], "counts": mask_api.encode(expected)["counts"]}
            assert np.array_equal(rle_codec.rle_to_mask(compressed), expected)
            assert rle_codec.mask_to_rle(expected)["counts"].encode() == compressed["counts"]
    assert kinds == {("list", 0), ("dict", 1)}


def test_overlapping_polygons_are_a_union():
    polygon = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]
    once = rasterize.segmentation_to_mask([polygon], 10, 10)
    assert once.sum() == 36
    assert np.array_equal(rasterize.segmentation_to_mask([polygon, polygon], 10, 10), once)
    assert np.array_equal(
        box_masks.box_mask([polygon, polygon], (2, 2, 8, 8), 10, 10, 28),
        box_masks.box_mask([polygon], (2, 2, 8, 8), 10, 10, 28),
    )


def test_segmentation_box():
    assert rasterize.segmentation_box([[1, 2, 5, 2, 5, 9], [0, 3, 1, 3, 1, 4]]) == (0, 2, 5, 9)
    mask = np.zeros((9, 12), np.uint8)
    mask[2:5, 3:11] = 1
    assert rasterize.segmentation_box(rle_codec.mask_to_rle(mask)) == (3, 2, 11, 5)
    assert rasterize.segmentation_box(rle_codec.mask_to_rle(np.zeros((4, 4)))) is None
