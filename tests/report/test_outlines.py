"""Outlines of masks: filled again, they give the mask."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from src.report.outlines import Shape, draw_shapes, outline_path


def rle(mask):
    return mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))


def filled(path, height, width):
    """The pixels whose centres are in an SVG path, by the rule "evenodd", four times as large."""
    large = np.zeros((4 * height, 4 * width), np.uint8)
    for part in path.split("M")[1:]:
        points = np.array([[float(v) for v in pair.split()] for pair in part.rstrip("Z").split("L")])
        one = np.zeros_like(large)
        cv2.fillPoly(one, [np.round(4 * points).astype(np.int32)], 1)
        large ^= one
    return large[2::4, 2::4].astype(bool)


def disc_with_hole(height, width):
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return (distance < 0.45 * height) & (distance > 0.2 * height)


@pytest.mark.parametrize("size", [(60, 60), (120, 90)])
def test_a_ring_keeps_its_hole(size):
    mask = disc_with_hole(*size)
    again = filled(outline_path(rle(mask), 0.5), *size)
    assert (again & mask).sum() / (again | mask).sum() > 0.93
    assert not again[size[0] // 2, size[1] // 2]


def test_a_rectangle_is_its_four_corners():
    mask = np.zeros((20, 30), np.uint8)
    mask[4:9, 10:25] = 1
    points = re.findall(r"(\d+) (\d+)", outline_path(rle(mask), 0.5))
    assert {(int(x), int(y)) for x, y in points} == {(10, 4), (25, 4), (25, 9), (10, 9)}


def test_an_empty_mask_has_no_outline():
    assert outline_path(rle(np.zeros((5, 5))), 0.5) == ""


def test_only_detections_have_a_score():
    truth = Shape((1, 2, 3, 4), None, 0, "a<b", None, False)
    found = truth._replace(score=0.98765, is_error=True)
    drawn = str(draw_shapes([truth, found], 50, 50))
    assert drawn.count("data-score") == 1 and 'data-score="0.9877"' in drawn
    assert 'class="shape k0 error"' in drawn
    assert "a&lt;b" in drawn and "a<b" not in drawn
