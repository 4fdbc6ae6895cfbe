"""Masks in each form that annotation files have; expected values by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from src.data.images.rasterize import rasterize_polygons
from src.data.images.rle import mask_to_rle, rle_to_mask
from src.repair.changes import new_annotation, shape_values, usual_form, with_class, with_shape
from tests.repair.labels import annotation, square

SIZE = (100, 100)


def test_polygons_draw_the_mask_again():
    mask = square(10, 20)
    mask[25:30, 40:44] = 1
    values = shape_values(mask_to_rle(mask), [], SIZE, "polygons")
    assert np.array_equal(rasterize_polygons(values["segmentation"], *SIZE), mask)
    assert values["bbox"] == [10, 20, 34, 20] and values["area"] == 20 * 20 + 5 * 4


def test_holes_are_filled_in_polygons_and_stay_in_rle():
    mask = square(10, 20)
    mask[25:30, 15:20] = 0
    filled = shape_values(mask_to_rle(mask), [], SIZE, "polygons")
    assert filled["area"] == 400 and len(filled["segmentation"]) == 1
    kept = shape_values(mask_to_rle(mask), [], SIZE, "rle")
    assert kept["area"] == 375 and np.array_equal(rle_to_mask(kept["segmentation"]), mask)


def test_counts_are_numbers():
    """A column-wise run of 2 x 3 pixels from row 4, column 1 of 10 x 10 pixels."""
    mask = np.zeros((10, 10), np.uint8)
    mask[4:7, 1:3] = 1
    values = shape_values(mask_to_rle(mask), [], (10, 10), "counts")
    assert values["segmentation"] == {"size": [10, 10], "counts": [14, 3, 7, 3, 73]}
    assert values["bbox"] == [1, 4, 2, 3] and values["area"] == 6


@pytest.mark.parametrize(("form", "more"), [("none", {}), ("empty", {"segmentation": []})])
def test_a_box_is_clipped_to_the_picture(form, more):
    values = shape_values(None, [-5.0, 90.0, 25.5, 30.0], SIZE, form)
    assert values == {**more, "bbox": [0, 90, 20.5, 10], "area": 205}


def test_the_usual_form_is_that_of_most_objects_that_are_no_crowds():
    polygons = annotation(1, 1, 0, 0)
    rle = annotation(2, 1, 0, 0, segmentation=mask_to_rle(square(0, 0)))
    counts = annotation(3, 1, 0, 0, segmentation={"size": [100, 100], "counts": [0, 100, 9900]})
    crowd = {**counts, "iscrowd": 1}
    boxes = {key: value for key, value in polygons.items() if key != "segmentation"}
    assert usual_form([polygons, crowd, crowd, rle, polygons], True) == "polygons"
    assert usual_form([rle], True) == "rle" and usual_form([counts], True) == "counts"
    assert usual_form([boxes, boxes, polygons], True) == "polygons"
    assert (
        usual_form([boxes], False) == "none" and usual_form([{**boxes, "segmentation": []}], False) == "empty"
    )
    assert usual_form([], True) == "polygons"


def test_all_other_keys_stay_where_they_are():
    item = annotation(5, 1, 10, 10, note=["kept"])
    shape = {"segmentation": [[0, 0, 1, 0, 1, 1]], "bbox": [0, 0, 1, 1], "area": 0.5}
    after = with_shape(item, shape)
    assert after == {**item, **shape} and list(after) == list(item)
    after = with_class(item, 7)
    assert after == {**item, "category_id": 7} and list(after) == list(item)
    assert new_annotation(9, 1, 7, shape) == {"id": 9, "image_id": 1, "category_id": 7, "iscrowd": 0, **shape}
