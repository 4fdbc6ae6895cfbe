"""Anchors against detectron2's and torchvision's tables."""

from __future__ import annotations

import numpy as np
import pytest

from src.config import load_config
from src.maskrcnn.anchor_generator import base_anchors, grid_anchors
from src.maskrcnn.from_config import make_anchors


def test_base_anchors_of_the_known_table():
    got = base_anchors(4, (8, 16), (0.25, 1, 4))
    expected = [
        (-32, -8, 32, 8),
        (-16, -16, 16, 16),
        (-8, -32, 8, 32),
        (-64, -16, 64, 16),
        (-32, -32, 32, 32),
        (-16, -64, 16, 64),
    ]
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_the_next_cell_is_one_stride_further():
    base = base_anchors(4, (8, 16), (0.25, 1, 4))
    grid = grid_anchors((2, 3), (4, 4), base)
    assert grid.shape == (36, 4) and grid.dtype == np.float32
    np.testing.assert_allclose(grid[:6], base, atol=1e-5)
    np.testing.assert_allclose(grid[6:12], base + [4, 0, 4, 0], atol=1e-5)  # along x first
    np.testing.assert_allclose(grid[18:24], base + [0, 4, 0, 4], atol=1e-5)  # then along y


def test_the_default_configuration_has_245520_anchors():
    anchors = make_anchors(load_config())
    assert [len(level) for level in anchors] == [
        3 * h * w for h, w in ((192, 320), (96, 160), (48, 80), (24, 40), (12, 20))
    ]
    assert sum(len(level) for level in anchors) == 245520


def test_torchvisions_anchors_are_whole_pixels():
    anchors = make_anchors(load_config(["anchor_round=True"]))
    want = [(-23, -11, 23, 11), (-16, -16, 16, 16), (-11, -23, 11, 23)]
    np.testing.assert_array_equal(anchors[0][:3], want)


@pytest.mark.parametrize("ratio", [0.5, 1, 2, 3.7])
def test_a_ratio_is_height_over_width_at_equal_area(ratio):
    x1, y1, x2, y2 = base_anchors(16, (8,), (ratio,))[0]
    assert (y2 - y1) / (x2 - x1) == pytest.approx(ratio)
    assert (x2 - x1) * (y2 - y1) == pytest.approx((16 * 8) ** 2)
    assert x1 == pytest.approx(-x2) and y1 == pytest.approx(-y2)


@pytest.mark.parametrize(("rounded", "step"), [("False", 64), ("True", 59)])
def test_odd_maps_round_up(rounded, step):
    """P5 is 10x13 here and P6 5x7. In torchvision cells are 416 // 7 = 59 pixels apart."""
    anchors = make_anchors(load_config(["img_height=320", "img_width=416", f"anchor_round={rounded}"]))
    assert [len(level) // 3 for level in anchors] == [80 * 104, 40 * 52, 20 * 26, 10 * 13, 5 * 7]
    centers = (anchors[4][::3, :2] + anchors[4][::3, 2:]) / 2
    want = [(x * step, y * 64) for y in range(5) for x in range(7)]
    np.testing.assert_allclose(centers, want, atol=1e-4)
