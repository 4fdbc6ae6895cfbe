"""Where pictures go in training, and their boxes with them, against arithmetic."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np
import pytest

from src.config import Config, load_config
from src.data.images.placement import Placement, place_boxes, place_picture
from src.data.images.random_placement import place_randomly
from src.data_settings import canvas_settings, placement_settings
from src.errors import ConfigError


def random_placements(
    config: Config,
    count: int = 300,
    size: Tuple[int, int] = (480, 640),
    boxes: Sequence[Sequence[float]] = (),
) -> List[Placement]:
    """Placements of a picture of size (height, width), drawn with the seeds 0, ..., count - 1."""
    settings = placement_settings(config)
    return [place_randomly(*size, settings, np.random.default_rng(seed), boxes) for seed in range(count)]


def bright_rectangle() -> np.ndarray:
    """White in the box (40, 30, 70, 90), black around it; uint8 [120, 160, 3]."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[30:90, 40:70] = 255
    return picture


def test_random_placements_follow_their_probabilities() -> None:
    placements = random_placements(load_config(), 2000)
    assert 0.46 < np.mean([p.flip for p in placements]) < 0.54
    expanded = [p for p in placements if p.height < 768]
    assert 0.46 < len(expanded) / len(placements) < 0.54
    ratios = [p.filled_height / p.height for p in expanded]
    assert 1 <= min(ratios) < 1.1
    assert 3.9 < max(ratios) < 4.02
    assert 2.4 < np.mean(ratios) < 2.6
    assert all(0 <= p.top <= p.filled_height - p.height for p in placements)
    assert all(0 <= p.left <= p.filled_width - p.width for p in placements)
    assert {(p.filled_height, p.filled_width) for p in placements} == {(768, 1024)}
    flipped = random_placements(load_config(["expand_ratio=0", "flip_ratio=1"]), 50)
    assert all(p.flip and p.height == 768 for p in flipped)


def test_boxes_stay_on_their_pixels() -> None:
    """A bright rectangle placed at random: the pixels over half brightness fill the placed box."""
    config = load_config(["img_width=512", "img_height=384", "img_mean=[0,0,0]"])
    for placement in random_placements(config, 30, (120, 160)):
        canvas = place_picture(bright_rectangle(), placement, canvas_settings(config))
        rows, columns = np.nonzero(canvas[..., 0] > 127)
        pixels_box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(pixels_box - place_boxes([[40, 30, 70, 90]], placement)[0]).max() <= 1


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
def test_expansion_is_filled_with_the_mean_and_padding_as_configured(words, mean, padding) -> None:
    """The picture is RGB, whatever the order of the network's channels and of the statistics."""
    config = load_config(["img_width=128", "img_height=128", "flip_ratio=0", *words])
    for p in random_placements(config, 20, (48, 64)):
        canvas = place_picture(np.full((48, 64, 3), 200, np.uint8), p, canvas_settings(config))
        inside = np.zeros((128, 128), bool)
        inside[p.top : p.top + p.height, p.left : p.left + p.width] = True
        assert (canvas[inside] == 200).all()
        assert (canvas[96:] == padding).all()
        assert (canvas[:96][~inside[:96]] == mean).all()


def test_multi_scale_draws_each_short_side_as_far_as_the_canvas_allows() -> None:
    def sizes(config: Config, size: Tuple[int, int] = (480, 640)) -> set:
        return {(p.height, p.width) for p in random_placements(config, size=size)}

    config = load_config(["multi_scale=[480,640,768]", "expand_ratio=0"])
    assert sizes(config) == {(480, 640), (640, 853), (768, 1024)}
    assert sizes(config, (640, 480)) == {(640, 480), (768, 576)}
    limited = load_config(["multi_scale=[480,640]", "resize_long=800", "resize_short=600", "expand_ratio=0"])
    assert sizes(limited) == {(480, 640), (600, 800)}
    for p in random_placements(load_config(["multi_scale=[480]", "expand_ratio=1"]), 99):
        assert (p.filled_height, p.filled_width) == (480, 640)
        assert p.height <= 480


def test_large_scale_jitter_crops_or_pads_to_the_canvas() -> None:
    """Scales are even from 0.1 to 2; what is shown keeps the picture's ratio of sides to a pixel."""
    config = load_config(["large_scale_jitter=[0.1,2.0]", "img_width=1024", "img_height=1024"])
    assert config.expand_ratio == 0
    factors = []
    for p in random_placements(config, 1000):
        top, left, height, width = p.source_window
        assert 0 <= top <= 480 - height
        assert 0 <= left <= 640 - width
        assert (p.top, p.left) == (0, 0)
        assert (p.filled_height, p.filled_width) == (p.height, p.width)
        assert p.height <= 1024
        assert p.width <= 1024
        scale_y = p.height / height
        scale_x = p.width / width
        # crop and canvas are whole pixels, so the scales may differ by a rounding on either side
        rounding = 0.5 / height + 0.5 / width
        assert abs(scale_y - scale_x) <= scale_y * rounding + rounding
        # at its usual size, the picture is 1.6 times as large
        factors.append(scale_x / 1.6)
        if factors[-1] < 0.99:
            assert p.window is None
        if factors[-1] > 1.4:
            assert p.height == p.width == 1024
    assert 0.09 < min(factors) < 0.12
    assert 1.97 < max(factors) < 2.01
    assert 1.0 < np.mean(factors) < 1.1


def test_a_random_crop_keeps_the_center_of_an_object() -> None:
    config = load_config(["crop_ratio=0.5", "crop_min_side=0.25", "expand_ratio=0"])
    boxes = np.array([[600, 440, 640, 480], [0, 0, 5, 5]])
    placements = random_placements(config, 2000, boxes=boxes)
    cropped = [p for p in placements if p.window is not None]
    assert 0.46 < len(cropped) / len(placements) < 0.54
    for p in cropped:
        top, left, height, width = p.window
        assert 120 <= height <= 480
        assert 160 <= width <= 640
        assert 0 <= top <= 480 - height
        assert 0 <= left <= 640 - width
        assert any(
            left <= (x1 + x2) / 2 <= left + width and top <= (y1 + y2) / 2 <= top + height
            for x1, y1, x2, y2 in boxes
        )
        # and is then resized to fit
        assert p.height == 768 or p.width == 1280
    without_boxes = [p.source_window for p in random_placements(config)]
    assert all(0 <= window.top <= 480 - window.height for window in without_boxes)


def test_what_is_off_draws_nothing_else() -> None:
    """Switching a crop on leaves the flips as they were."""
    flips = [p.flip for p in random_placements(load_config(), 200)]
    for words in (["crop_ratio=0.5"], ["multi_scale=[640,768]"], ["large_scale_jitter=[0.1,2.0]"]):
        assert [p.flip for p in random_placements(load_config(words), 200)] == flips


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
def test_cropped_boxes_stay_on_their_pixels(words: List[str]) -> None:
    """A bright rectangle, cropped and placed at random: the pixels over half brightness fill its box."""
    config = load_config(["img_width=512", "img_height=384", "img_mean=[0,0,0]", *words])
    visible = 0
    for p in random_placements(config, 60, (120, 160)):
        canvas = place_picture(bright_rectangle(), p, canvas_settings(config))
        assert not canvas[p.filled_height :].any()
        assert not canvas[:, p.filled_width :].any()
        x1, y1, x2, y2 = place_boxes([[40, 30, 70, 90]], p)[0]
        if x2 - x1 <= 1 or y2 - y1 <= 1:
            continue
        visible += 1
        rows, columns = np.nonzero(canvas[..., 0] > 127)
        pixels_box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(pixels_box - (x1, y1, x2, y2)).max() <= 1
        # the map of points says the same as the boxes
        x, y = p.axes
        mapped_x = sorted([40 * x.scale + x.offset, 70 * x.scale + x.offset])
        mapped_y = [30 * y.scale + y.offset, 90 * y.scale + y.offset]
        assert np.allclose(np.clip(mapped_x, p.left, p.left + p.width), [x1, x2], atol=1e-3)
        assert np.allclose(np.clip(mapped_y, p.top, p.top + p.height), [y1, y2], atol=1e-3)
    assert visible > 40


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
def test_settings_that_cannot_be(words: List[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(words)
