"""Sizes, boxes and pixels of a picture on the canvas, against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import load_config
from src.data.images.canvas import resized_size
from src.data.images.placement import flip_boxes, place_boxes, place_picture, place_plainly
from src.data_settings import canvas_settings
from src.errors import ConfigError

HEIGHT = 48
WIDTH = 64


def smooth_picture() -> np.ndarray:
    """A smooth RGB picture without symmetry."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 5, columns * 3, (rows + columns) * 2], 2).astype(np.uint8)


def test_resized_size() -> None:
    config = canvas_settings(load_config())
    assert resized_size(480, 640, config) == (768, 1024)
    assert resized_size(427, 640, config) == (768, 1151)
    assert resized_size(300, 1000, config) == (384, 1280)
    assert resized_size(1, 5000, config) == (1, 1280)
    assert resized_size(480, 640, canvas_settings(load_config(["keep_ratio=False"]))) == (768, 1280)
    short = canvas_settings(load_config(["resize=short_side", "img_width=1344", "img_height=1344"]))
    assert resized_size(480, 640, short) == (800, 1067)
    assert resized_size(640, 480, short) == (1067, 800)
    assert resized_size(300, 1000, short) == (400, 1333)
    with pytest.raises(ConfigError, match="img_width=1344 img_height=1344"):
        resized_size(480, 640, canvas_settings(load_config(["resize=short_side"])))


def test_flip_known_value() -> None:
    assert flip_boxes(np.array([[10.0, 10, 200, 300]]), 400).tolist() == [[200, 10, 390, 300]]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.lists(st.tuples(*[st.integers(0, 3000)] * 4), max_size=4))
def test_flipping_boxes_twice_is_nothing(width: int, boxes: list) -> None:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    assert np.array_equal(flip_boxes(flip_boxes(boxes, width), width), boxes)


def test_plain_placement_is_a_half_pixel_correct_resize() -> None:
    """Twice the size: pixel centres fall on quarters, (3a + b) / 4, and the border repeats.

    The rest of the canvas is 0.
    """
    config = canvas_settings(load_config(["img_width=128", "img_height=128"]))
    source = smooth_picture()
    placement = place_plainly(HEIGHT, WIDTH, config)
    assert placement.meta.tolist() == [96, 128, 2, 2, 48, 64]
    canvas = place_picture(source, placement, config, np.full((128, 128, 3), 9, np.uint8))
    assert not canvas[96:].any()
    row = source[0, :, 1].astype(np.float64)
    assert np.allclose(canvas[0, 1:-1:2, 1], (3 * row[:-1] + row[1:]) / 4, atol=1)
    assert canvas[0, 0, 1] == row[0]
    boxes = place_boxes([[0, 0, 64, 48], [1, 2, 3.5, 4]], placement)
    assert boxes.tolist() == [[0, 0, 128, 96], [2, 4, 7, 8]]


def test_a_picture_that_shrinks_to_under_half_is_averaged() -> None:
    """Lines one pixel wide keep their mean; bilinear sampling alone would lose or double them."""
    source = np.zeros((480, 640, 3), np.uint8)
    source[:, ::5] = 250
    config = canvas_settings(load_config(["img_width=128", "img_height=96"]))
    canvas = place_picture(source, place_plainly(480, 640, config), config)
    assert np.abs(canvas.astype(int) - 50).max() <= 1
