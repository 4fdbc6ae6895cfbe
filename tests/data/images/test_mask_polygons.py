"""Polygons of masks, drawn again by pycocotools and by OpenCV."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.data.images.mask_polygons import mask_polygons


def without_holes(mask):
    """The mask with its holes filled: what the flood from outside, over four neighbours, does not reach."""
    framed = np.pad(mask, 1)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    return (framed[1:-1, 1:-1] != 2).astype(np.uint8)


def drawn(polygons, height, width):
    rles = mask_api.frPyObjects([polygon.ravel().tolist() for polygon in polygons], height, width)
    return mask_api.decode(mask_api.merge(rles))


def test_pycocotools_draws_the_mask_again():
    rng = np.random.default_rng(0)
    for trial in range(150):
        height, width = rng.integers(1, 40, 2)
        mask = (rng.uniform(size=(height, width)) < rng.uniform(0.05, 0.95)).astype(np.uint8)
        if trial % 2:
            mask = (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5) > 0.4).astype(np.uint8)
        if not mask.any():
            assert mask_polygons(mask) == []
            continue
        assert (drawn(mask_polygons(mask), height, width) == without_holes(mask)).all()


def test_a_window_lies_where_it_is_in_the_picture():
    """A rectangle of 3 x 4 pixels: its outline is a quarter of a pixel within."""
    (polygon,) = mask_polygons(np.ones((3, 4)), left=10, top=20)
    assert polygon.min(0).tolist() == [10.25, 20.25] and polygon.max(0).tolist() == [13.75, 22.75]
    mask = drawn([polygon], 40, 40)
    assert mask.sum() == 12 and mask[20:23, 10:14].all()


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
def test_fewer_points_within_the_tolerance(tolerance):
    yy, xx = np.mgrid[0:100, 0:140]
    mask = (((xx - 70) / 60) ** 2 + ((yy - 50) / 40) ** 2 <= 1).astype(np.uint8)
    (exact,) = mask_polygons(mask)
    (shorter,) = mask_polygons(mask, tolerance=tolerance)
    assert 3 <= len(shorter) < len(exact) / 2
    outline = (shorter * 16).round().astype(np.int32)
    for x, y in exact * 16:
        assert abs(cv2.pointPolygonTest(outline, (float(x), float(y)), True)) <= (tolerance + 0.1) * 16
