"""Outlines of masks: by COCO's rule they set the mask's pixels again, also as one polygon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.forms.writers.mask_outlines import (
    LEAST_IOU,
    editable_polygons,
    joined,
    rle_window,
    single_polygon,
    union_polygons,
)
from src.data.images.mask_polygons import mask_rings
from src.data.images.rle import mask_to_rle
from tests.data.forms.writers.scenes import drawn_mask, pixels, star

SEEDS = st.integers(0, 2**32 - 1)


def shoelace(points):
    x, y = np.reshape(points, (-1, 2)).T
    return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_run_lengths_become_polygons_that_set_the_same_pixels(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(2, 70, 2))
    mask = drawn_mask(rng, height, width)
    rle = mask_to_rle(mask)
    window = rle_window(rle)
    found = np.zeros_like(mask)
    rows, columns = window.mask.shape
    found[window.top : window.top + rows, window.left : window.left + columns] = window.mask
    assert (found == mask).all() and window.mask.any(0)[[0, -1]].all() and window.mask.any(1)[[0, -1]].all()
    union = union_polygons(rle)
    assert (pixels([polygon.tolist() for polygon in union], height, width) == mask).all()
    one = single_polygon(rle, height, width)
    assert (pixels([one.points.tolist()], height, width) == mask).all()
    assert one.is_joined == (sum(len(rings) for rings in mask_rings(mask)) > 1)
    # Bridges have no area: the polygon's is the number of pixels.
    assert shoelace(one.points) == mask.sum()


def test_a_ring_is_its_outline_and_its_hole():
    mask = np.ones((3, 4), np.uint8)
    mask[1, 1] = 0
    ((outer, hole),) = mask_rings(mask, left=10, top=20)
    assert {tuple(point) for point in outer} == {(10, 20), (14, 20), (14, 23), (10, 23)}
    assert {tuple(point) for point in hole} == {(11, 21), (12, 21), (12, 22), (11, 22)}


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_parts_that_overlap_or_not_become_one_polygon(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(12, 90, 2))
    parts = [star(rng, height, width) for _ in range(rng.integers(2, 5))]
    mask = pixels(parts, height, width)
    one = single_polygon(parts, height, width)
    if one is None:
        assert not mask.any()
    else:
        assert (pixels([one.points.tolist()], height, width) == mask).all()


def test_a_single_polygon_stays_as_it_is():
    polygon = [1.5, 2.0, 9.25, 2.0, 5.0, 8.0]
    found = single_polygon([polygon], 20, 20)
    assert found.points.tolist() == polygon and not found.is_joined


def test_bridges_lead_to_the_nearest_points():
    left = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
    found = joined([left, left + (5, 0)])
    lengths = np.hypot(*(np.roll(found, -1, axis=0) - found).T)
    assert sorted(lengths)[-2:] == [3, 3] and len(found) == 4 + 4 + 2


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_editable_outlines_keep_their_iou(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(4, 90, 2))
    mask = drawn_mask(rng, height, width).astype(bool)
    polygons = editable_polygons(rle_window(mask_to_rle(mask)), tolerance=float(rng.choice([0.5, 1, 3])))
    found = pixels([polygon.tolist() for polygon in polygons], height, width)
    assert (found & mask).sum() / (found | mask).sum() >= LEAST_IOU == 0.98


@pytest.mark.parametrize(("tolerance", "most"), [(1.0, 40), (2.0, 25)])
def test_a_disc_has_few_points(tolerance, most):
    """Of 251 pixels across: the exact outline has a corner for each step of its edge, some 700."""
    y, x = np.mgrid[:255, :255] - 127
    disc = (x**2 + y**2 <= 125**2).astype(np.uint8)
    ((exact,),) = mask_rings(disc)
    (polygon,) = editable_polygons(rle_window(mask_to_rle(disc)), tolerance)
    assert len(polygon) // 2 <= most < len(exact) / 10
