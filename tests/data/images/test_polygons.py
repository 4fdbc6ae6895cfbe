"""Polygons in columns against arithmetic, a plain search for crossings in whole numbers, and pycocotools."""

from __future__ import annotations

from itertools import combinations
from typing import List, Sequence, Tuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from src.data.images.polygons import Polygons


def columns(polygons: Sequence[Sequence[float]]) -> Polygons:
    """The Polygons of lists x, y, x, y, ..., each of its own object."""
    lengths = [len(polygon) for polygon in polygons]
    return Polygons(
        np.concatenate([np.array(polygon, np.float32) for polygon in polygons]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.arange(len(polygons)),
        np.zeros(len(polygons), np.int64),
    )


def orientation(a: Sequence[int], b: Sequence[int], c: Sequence[int]) -> int:
    """Above 0, 0 or below 0: where point c lies of the line from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def crosses(points: List[Tuple[int, int]]) -> bool:
    """Whether two sides cross inside both, by all pairs, in whole numbers."""
    sides = list(zip(points, points[1:] + points[:1]))
    return any(
        orientation(a, b, c) * orientation(a, b, d) < 0 and orientation(c, d, a) * orientation(c, d, b) < 0
        for (a, b), (c, d) in combinations(sides, 2)
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12),
        min_size=1,
        max_size=8,
    )
)
def test_crossings_and_areas(polygons: List[List[Tuple[int, int]]]) -> None:
    polygon_columns = columns([[float(value) for point in points for value in point] for points in polygons])
    assert polygon_columns.crossing().tolist() == [crosses(points) for points in polygons]
    shoelace = [
        abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(points, points[1:] + points[:1]))) / 2
        for points in polygons
    ]
    assert np.allclose(polygon_columns.areas(), shoelace)
    assert polygon_columns.extents().tolist() == [
        [
            min(x for x, _ in points),
            min(y for _, y in points),
            max(x for x, _ in points),
            max(y for _, y in points),
        ]
        for points in polygons
    ]
    selected = polygon_columns.select(np.arange(len(polygons)) % 2 == 0)
    assert [selected.points[a:b].tolist() for a, b in zip(selected.starts, selected.starts[1:])] == [
        [value for point in points for value in point] for points in polygons[::2]
    ]


def test_what_covers_no_pixel_is_pycocotools() -> None:
    rng = np.random.default_rng(5)
    polygons = [
        (rng.uniform(0, 25, 2) + rng.uniform(0, size, (4, 2))).ravel().tolist()
        for size in rng.uniform(0.05, 4, 400)
    ]
    polygons += [[5, 5.1, 25, 5.1, 25, 5.3, 5, 5.3], [3, 3, 20, 20, 3.2, 3.1]]
    polygon_columns = columns(polygons)
    height = width = np.full(len(polygons), 30)
    expected = [
        mask_api.area(mask_api.frPyObjects([np.float32(polygon).astype(float).tolist()], 30, 30))[0] == 0
        for polygon in polygons
    ]
    assert (
        polygon_columns.without_pixel(
            height, width, polygon_columns.areas(), polygon_columns.extents()
        ).tolist()
        == expected
    )
    assert 20 < sum(expected) < 300
