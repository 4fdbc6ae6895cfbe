"""The views of a picture: what they cover, and back from a view's pixels to the picture's."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import load_config
from src.data.images.canvas import CanvasSettings
from src.data.images.placement import Window
from src.engine.inference.picture_detector import view_settings
from src.engine.inference.views import View, ViewSettings, from_view, picture_views, place_view, tile_windows
from src.errors import ConfigError

CANVAS = CanvasSettings(64, 96, True, "fit", 64, 96, (120.0, 120.0, 120.0), False)


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    side=st.integers(32, 1500),
    overlap=st.floats(0, 0.9),
)
def test_tiles_cover_the_picture_and_overlap_as_asked(height, width, side, overlap):
    windows = tile_windows(height, width, (side, side), overlap)
    for length, sides in (
        (height, {(window.top, window.height) for window in windows}),
        (width, {(window.left, window.width) for window in windows}),
    ):
        ordered = sorted(sides)
        assert ordered[0][0] == 0 and ordered[-1][0] + ordered[-1][1] == length
        assert all(size == min(side, length) for _, size in ordered)
        for (start, size), (following, _) in zip(ordered, ordered[1:]):
            assert start < following and start + size - following >= int(overlap * size)


def test_as_many_tiles_as_arithmetic_gives():
    """1024 pixels at an overlap of .2 are a step of 819: 4000 need ceil(2976 / 819) + 1 = 5, 3000 need 4."""
    windows = tile_windows(3000, 4000, (1024, 1024), 0.2)
    assert len(windows) == 20 and windows[0] == Window(0, 0, 1024, 1024)
    assert windows[-1] == Window(3000 - 1024, 4000 - 1024, 1024, 1024)


def test_which_views_a_picture_has():
    whole = View(Window(0, 0, 60, 90))
    assert picture_views(60, 90, ViewSettings()) == [whole]
    assert picture_views(60, 90, ViewSettings(tile_side=90)) == [whole]
    assert len(picture_views(60, 90, ViewSettings(tile_side=80))) == 1 + 2
    both = picture_views(60, 90, ViewSettings(flip=True, scales=(0.75, 1.5)))
    plain = [whole, View(Window(0, 0, 60, 90), 0.75)]
    # Two thirds of each side; the starts of two parts are a third apart.
    parts = [Window(0, 0, 40, 60), Window(0, 30, 40, 60), Window(20, 0, 40, 60), Window(20, 30, 40, 60)]
    plain += [View(window, whole_only=True) for window in parts]
    assert both == plain + [view._replace(flip=True) for view in plain]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.75])
def test_a_point_comes_back_to_its_place(flip, scale):
    """A white block in a black picture is found on the canvas by its pixels, and mapped back."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[110:150, 140:200] = 255
    view = View(Window(80, 100, 96, 144), scale, flip)
    image, meta = place_view(picture, view, CANVAS)
    rows, columns = np.nonzero(image[:, :, 0] > 127)
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    assert meta[2] == pytest.approx(64 / 96 * scale) and meta[3] == pytest.approx(96 / 144 * scale)
    found = {
        "boxes": box / meta[[3, 2, 3, 2]],
        "scores": np.ones(1),
        "labels": np.ones(1, int),
        "masks": np.arange(4.0).reshape(1, 2, 2),
    }
    back = from_view(found, view)
    np.testing.assert_allclose(back["boxes"], [[140, 110, 200, 150]], atol=1.5)
    expected = [[[1, 0], [3, 2]]] if flip else [[[0, 1], [2, 3]]]
    assert back["masks"].tolist() == expected


def test_the_keys():
    config = load_config(["test_tta=[flip, scales]", "test_tiles=640", "test_tile_overlap=0.3"])
    assert view_settings(config) == ViewSettings(True, (0.75, 1.5), 640, 0.3)
    assert view_settings(load_config([])).is_single
    for changes in ({"flip": True}, {"scales": (0.75,)}, {"tile_side": 64}):
        assert not dataclasses.replace(ViewSettings(), **changes).is_single
    for word, piece in (
        ("test_tta=[flap]", "'flip' and 'scales'"),
        ("test_tta=flip", "a list of texts"),
        ("test_tiles=5", "at least 32"),
        ("test_tiles=big", "a whole number"),
        ("test_tile_overlap=1", "0 to 0.9"),
    ):
        with pytest.raises(ConfigError, match=piece):
            load_config([word])
