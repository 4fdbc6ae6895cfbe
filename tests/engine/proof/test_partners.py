"""Partners among two networks' detections, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from src.engine.proof.partners import SAME, SAME_OBJECT, box_ious, find_partners, partner_share


def found(*rows):
    """Detections of rows (label, score, x1, y1, x2, y2)."""
    rows = np.array(rows, np.float64).reshape(-1, 6)
    return {"labels": rows[:, 0].astype(int), "scores": rows[:, 1], "boxes": rows[:, 2:]}


def test_ious():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [5, 5, 15, 15], [20, 20, 30, 30]], np.float32)
    # halves of one another; a quarter in common: 25 of 175; nothing in common
    expected = [[1, 0.5, 25 / 175, 0]]
    np.testing.assert_allclose(box_ious(boxes[:1], boxes), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("other", "limits", "pairs"),
    [
        ((1, 0.9, 0, 0, 100, 100), SAME, [(0, 0)]),
        ((1, 0.9005, 0, 0, 100, 99.5), SAME, [(0, 0)]),  # IoU .995
        ((1, 0.9, 0, 0, 100, 98), SAME, []),  # IoU .98
        ((1, 0.9, 0, 0, 100, 98), SAME_OBJECT, [(0, 0)]),
        ((1, 0.902, 0, 0, 100, 100), SAME, []),
        ((2, 0.9, 0, 0, 100, 100), SAME_OBJECT, []),
        ((1, 0.2, 0, 0, 100, 40), SAME_OBJECT, []),
    ],
)
def test_who_is_a_partner(other, limits, pairs):
    assert find_partners(found((1, 0.9, 0, 0, 100, 100)), found(other), limits) == pairs


def test_the_nearest_are_partners_and_each_has_one():
    first = found((1, 0.9, 0, 0, 10, 10), (1, 0.8, 0, 0, 10, 8))
    second = found((1, 0.7, 0, 0, 10, 9), (1, 0.9, 0, 0, 10, 10))
    assert sorted(find_partners(first, second, SAME_OBJECT)) == [(0, 1), (1, 0)]
    assert find_partners(first, found((1, 0.9, 0, 0, 10, 8)), SAME_OBJECT) == [(1, 0)]


def test_the_share_counts_missing_and_additional_detections_alike():
    a, b = (1, 0.9, 0, 0, 10, 10), (1, 0.8, 50, 50, 60, 60)
    assert partner_share([found(a, b)], [found(a)]) == partner_share([found(a)], [found(a, b)]) == 0.5
    assert partner_share([found(a, b), found(a)], [found(b, a), found()]) == pytest.approx(2 / 3)
    assert partner_share([found()], [found()]) == 1
