"""Where pictures go on the canvas, and their boxes with them, against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import load_config
from src.data.images import placement
from src.errors import ConfigError

HEIGHT, WIDTH = 48, 64


def picture():
    """A smooth RGB picture without symmetry."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 5, columns * 3, (rows + columns) * 2], 2).astype(np.uint8)


def test_resized_size():
    config = load_config()
    assert placement.resized_size(480, 640, config) == (768, 1024)
    assert placement.resized_size(427, 640, config) == (768, 1151)
    assert placement.resized_size(300, 1000, config) == (384, 1280)
    assert placement.resized_size(1, 5000, config) == (1, 1280)
    assert placement.resized_size(480, 640, load_config(["keep_ratio=False"])) == (768, 1280)
    short = load_config(["resize=short_side", "img_width=1344", "img_height=1344"])
    assert placement.resized_size(480, 640, short) == (800, 1067)
    assert placement.resized_size(640, 480, short) == (1067, 800)
    assert placement.resized_size(300, 1000, short) == (400, 1333)
    with pytest.raises(ConfigError, match="img_width=1344 img_height=1344"):
        placement.resized_size(480, 640, load_config(["resize=short_side"]))


def test_flip_known_value():
    assert placement.flip_boxes(np.array([[10.0, 10, 200, 300]]), 400).tolist() == [[200, 10, 390, 300]]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.lists(st.tuples(*[st.integers(0, 3000)] * 4), max_size=4))
def test_flipping_boxes_twice_is_nothing(width, boxes):
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    assert np.array_equal(placement.flip_boxes(placement.flip_boxes(boxes, width), width), boxes)


def test_plain_placement_is_a_half_pixel_correct_resize():
    """Twice the size: pixel centres fall on quarters, (3a + b) / 4, and the border repeats.

    The rest of the canvas is 0.
    """
    config = load_config(["img_width=128", "img_height=128"])
    source = picture()
    place = placement.place_plainly(HEIGHT, WIDTH, config)
    assert place.meta.tolist() == [96, 128, 2, 2, 48, 64]
    canvas = placement.place_picture(source, place, config, np.full((128, 128, 3), 9, np.uint8))
    assert not canvas[96:].any()
    row = source[0, :, 1].astype(np.float64)
    assert (
        np.allclose(canvas[0, 1:-1:2, 1], (3 * row[:-1] + row[1:]) / 4, atol=1) and canvas[0, 0, 1] == row[0]
    )
    assert placement.place_boxes([[0, 0, 64, 48], [1, 2, 3.5, 4]], place).tolist() == [
        [0, 0, 128, 96],
        [2, 4, 7, 8],
    ]


def test_random_placements_follow_their_probabilities():
    config = load_config()
    drawn = [placement.place_randomly(480, 640, config, np.random.default_rng(seed)) for seed in range(2000)]
    assert 0.46 < np.mean([p.flip for p in drawn]) < 0.54
    expanded = [p for p in drawn if p.height < 768]
    assert 0.46 < len(expanded) / len(drawn) < 0.54
    ratios = [p.filled_height / p.height for p in expanded]
    assert 1 <= min(ratios) < 1.1 and 3.9 < max(ratios) < 4.02 and 2.4 < np.mean(ratios) < 2.6
    assert all(
        0 <= p.top <= p.filled_height - p.height and 0 <= p.left <= p.filled_width - p.width for p in drawn
    )
    assert {(p.filled_height, p.filled_width) for p in drawn} == {(768, 1024)}
    never = load_config(["expand_ratio=0", "flip_ratio=1"])
    drawn = [placement.place_randomly(480, 640, never, np.random.default_rng(seed)) for seed in range(50)]
    assert all(p.flip and p.height == 768 for p in drawn)


def test_boxes_stay_on_their_pixels():
    """A bright rectangle on black, placed at random: the pixels over half brightness fill the placed box."""
    source = np.zeros((120, 160, 3), np.uint8)
    source[30:90, 40:70] = 255
    config = load_config(["img_width=512", "img_height=384", "img_mean=[0,0,0]"])
    for seed in range(30):
        place = placement.place_randomly(120, 160, config, np.random.default_rng(seed))
        canvas = placement.place_picture(source, place, config)
        rows, columns = np.nonzero(canvas[..., 0] > 127)
        found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(found - placement.place_boxes([[40, 30, 70, 90]], place)[0]).max() <= 1


@pytest.mark.parametrize(
    ("words", "mean", "padding"),
    [
        ((), [124, 116, 104], [0, 0, 0]),
        (("padding=mean",), [124, 116, 104], [124, 116, 104]),
        (
            ("padding=mean", "channel_order=BGR", "img_mean=[103.53, 116.28, 123.675]"),
            [124, 116, 104],
            [124, 116, 104],
        ),
    ],
)
def test_expansion_is_filled_with_the_mean_and_padding_as_configured(words, mean, padding):
    """The picture is RGB, whatever the order of the network's channels and of the statistics."""
    config = load_config(["img_width=128", "img_height=128", "flip_ratio=0", *words])
    for seed in range(20):
        place = placement.place_randomly(48, 64, config, np.random.default_rng(seed))
        canvas = placement.place_picture(np.full((48, 64, 3), 200, np.uint8), place, config)
        inside = np.zeros((128, 128), bool)
        inside[place.top : place.top + place.height, place.left : place.left + place.width] = True
        assert (canvas[inside] == 200).all() and (canvas[96:] == padding).all()
        assert (canvas[:96][~inside[:96]] == mean).all()


def draws(config, count=300, size=(480, 640), boxes=()):
    return [
        placement.place_randomly(*size, config, np.random.default_rng(seed), boxes) for seed in range(count)
    ]


def test_multi_scale_draws_each_short_side_as_far_as_the_canvas_allows():
    config = load_config(["multi_scale=[480,640,768]", "expand_ratio=0"])
    assert {(p.height, p.width) for p in draws(config)} == {(480, 640), (640, 853), (768, 1024)}
    assert {(p.height, p.width) for p in draws(config, 99, (640, 480))} == {(640, 480), (768, 576)}
    limited = load_config(["multi_scale=[480,640]", "resize_long=800", "resize_short=600", "expand_ratio=0"])
    assert {(p.height, p.width) for p in draws(limited, 99)} == {(480, 640), (600, 800)}
    for p in draws(load_config(["multi_scale=[480]", "expand_ratio=1"]), 99):
        assert (p.filled_height, p.filled_width) == (480, 640) and p.height <= 480


def test_large_scale_jitter_cuts_or_pads_to_the_canvas():
    """Scales are even from 0.1 to 2; what is shown keeps the picture's ratio of sides to a pixel."""
    config = load_config(["large_scale_jitter=[0.1,2.0]", "img_width=1024", "img_height=1024"])
    assert config.expand_ratio == 0
    scales = []
    for p in draws(config, 1000):
        top, left, height, width = p.part
        assert 0 <= top <= 480 - height and 0 <= left <= 640 - width and (p.top, p.left) == (0, 0)
        assert (
            (p.filled_height, p.filled_width) == (p.height, p.width) and p.height <= 1024 and p.width <= 1024
        )
        down, across = p.height / height, p.width / width
        # cut and canvas are whole pixels, so the scales may differ by a rounding on either side
        assert abs(down - across) <= down * (0.5 / height + 0.5 / width) + 0.5 / height + 0.5 / width
        scales.append(across / 1.6)
        if scales[-1] < 0.99:
            assert p.window is None
        if scales[-1] > 1.4:
            assert p.height == p.width == 1024
    assert 0.09 < min(scales) < 0.12 and 1.97 < max(scales) < 2.01 and 1.0 < np.mean(scales) < 1.1


def test_a_random_crop_keeps_the_centre_of_an_object():
    config = load_config(["crop_ratio=0.5", "crop_min_side=0.25", "expand_ratio=0"])
    boxes = np.array([[600, 440, 640, 480], [0, 0, 5, 5]])
    drawn = draws(config, 2000, boxes=boxes)
    cut = [p for p in drawn if p.window is not None]
    assert 0.46 < len(cut) / len(drawn) < 0.54
    for p in cut:
        top, left, height, width = p.window
        assert (
            120 <= height <= 480
            and 160 <= width <= 640
            and 0 <= top <= 480 - height
            and 0 <= left <= 640 - width
        )
        assert any(
            left <= (x1 + x2) / 2 <= left + width and top <= (y1 + y2) / 2 <= top + height
            for x1, y1, x2, y2 in boxes
        )
        assert p.height == 768 or p.width == 1280  # and is then resized to fit
    assert all(0 <= p.part[0] <= 480 - p.part[2] for p in draws(config))


def test_what_is_off_draws_nothing_else():
    """Switching a crop on leaves the flips as they were."""
    flips = [p.flip for p in draws(load_config(), 200)]
    for words in (["crop_ratio=0.5"], ["multi_scale=[640,768]"], ["large_scale_jitter=[0.1,2.0]"]):
        assert [p.flip for p in draws(load_config(words), 200)] == flips


@pytest.mark.parametrize(
    "words",
    [
        ["crop_ratio=1"],
        ["large_scale_jitter=[0.3,3.0]"],
        ["crop_ratio=1", "large_scale_jitter=[0.3,3.0]"],
        ["crop_ratio=1", "multi_scale=[200,300]"],
        ["crop_ratio=1", "keep_ratio=False"],
    ],
)
def test_cut_boxes_stay_on_their_pixels(words):
    """A bright rectangle on black, cut and placed at random: the pixels over half brightness fill the placed
    box.
    """
    source = np.zeros((120, 160, 3), np.uint8)
    source[30:90, 40:70] = 255
    config = load_config(["img_width=512", "img_height=384", "img_mean=[0,0,0]", *words])
    seen = 0
    for p in draws(config, 60, (120, 160)):
        canvas = placement.place_picture(source, p, config)
        assert not canvas[p.filled_height :].any() and not canvas[:, p.filled_width :].any()
        x1, y1, x2, y2 = placement.place_boxes([[40, 30, 70, 90]], p)[0]
        rows, columns = np.nonzero(canvas[..., 0] > 127)
        if x2 - x1 > 1 and y2 - y1 > 1:
            seen += 1
            assert (
                np.abs(
                    [columns.min() - x1, rows.min() - y1, columns.max() + 1 - x2, rows.max() + 1 - y2]
                ).max()
                <= 1
            )
            (ax, bx), (ay, by) = p.axes
            corners = np.clip(sorted([40 * ax + bx, 70 * ax + bx]), p.left, p.left + p.width)
            assert np.allclose(corners, [x1, x2], atol=1e-3)
            assert np.allclose(
                np.clip([30 * ay + by, 90 * ay + by], p.top, p.top + p.height), [y1, y2], atol=1e-3
            )
    assert seen > 40


def test_a_picture_that_shrinks_to_under_half_is_averaged():
    """Lines one pixel wide keep their mean; bilinear sampling alone would lose or double them."""
    source = np.zeros((480, 640, 3), np.uint8)
    source[:, ::5] = 250
    config = load_config(["img_width=128", "img_height=96"])
    canvas = placement.place_picture(source, placement.place_plainly(480, 640, config), config)
    assert np.abs(canvas.astype(int) - 50).max() <= 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["large_scale_jitter=[2.0,0.1]"], "lowest and the highest"),
        (["large_scale_jitter=[0.1,2.0]", "expand_ratio=1"], "expand_ratio"),
        (["large_scale_jitter=[0.1,2.0]", "multi_scale=[640]"], "leave one out"),
        (["multi_scale=[800]"], "never fits img_height=768"),
        (["color_jitter=[0.4,0.4,0.4]"], "four strengths"),
        (["color_jitter=[0.4,0.4,0.4,0.7]"], "at most 0.5"),
        (["crop_ratio=2"], "0 to 1"),
    ],
)
def test_settings_that_cannot_be(words, message):
    with pytest.raises(ConfigError, match=message):
        load_config(words)
