"""Changed colours against Pillow's and torchvision's definitions."""

from __future__ import annotations

from typing import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from src.data.images.color_jitter import (
    change_brightness,
    change_contrast,
    change_saturation,
    jitter_colors,
    shift_hue,
)


def photo() -> np.ndarray:
    """A colourful RGB picture."""
    return np.random.default_rng(4).integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)


@pytest.mark.parametrize(
    "change, enhancer",
    [
        (change_brightness, ImageEnhance.Brightness),
        (change_contrast, ImageEnhance.Contrast),
        (change_saturation, ImageEnhance.Color),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_colors_change_as_pillow_changes_them(change: Callable, enhancer: Callable, factor: float) -> None:
    expected = np.asarray(enhancer(Image.fromarray(photo())).enhance(factor), np.int64)
    assert np.abs(change(photo(), factor) - expected).max() <= 2


def test_a_hue_shifted_by_a_third_permutes_the_colors() -> None:
    """Red becomes green, green blue, blue red; grey stays."""
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
    shifted = shift_hue(primaries, 1 / 3)
    assert np.abs(shifted.astype(int) - primaries[:, [1, 2, 0, 3]]).max() <= 6
    # hue is converted there and back in 8 bits
    assert np.abs(shift_hue(photo(), 0.0).astype(int) - photo()).max() <= 8
    assert np.abs(shift_hue(primaries, -1 / 3).astype(int) - primaries[:, [2, 0, 1, 3]]).max() <= 6


def test_jittered_colors_stay_within_their_strengths() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    drawn = [jitter_colors(grey, (0.4, 0, 0, 0), np.random.default_rng(seed))[0, 0, 0] for seed in range(400)]
    assert 60 <= min(drawn) < 64
    assert 136 < max(drawn) <= 140
    assert 97 < np.mean(drawn) < 103
    assert np.array_equal(jitter_colors(photo(), (0, 0, 0, 0), np.random.default_rng(0)), photo())
    strong = [
        jitter_colors(grey, (2.0, 0, 0, 0), np.random.default_rng(seed))[0, 0, 0] for seed in range(400)
    ]
    # factors from 0 to 3
    assert min(strong) < 8
    assert max(strong) == 255
    several = {
        jitter_colors(photo(), (0.4, 0.4, 0.4, 0.1), np.random.default_rng(seed)).tobytes()
        for seed in range(20)
    }
    assert len(several) == 20
