"""Random changes of a picture's colours: brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np


def jitter_colors(
    picture: np.ndarray, strengths: Tuple[float, float, float, float], generator: np.random.Generator
) -> np.ndarray:
    """Change brightness, contrast, saturation and hue at random, in a random order.

    Args:
        picture: uint8 [H, W, 3], RGB.
        strengths: of brightness, contrast, saturation and hue, as in torchvision's ColorJitter. A factor is
            drawn from 1 - strength to 1 + strength (not under 0); a hue is shifted by -strength to strength
            of the colour circle.
        generator: the same number of draws is taken from it in all cases.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    changes = (change_brightness, change_contrast, change_saturation, shift_hue)
    order = generator.permutation(4)
    draws = generator.random(4)
    for number in order.tolist():
        strength = strengths[number]
        if not strength:
            continue
        change = changes[number]
        if change is shift_hue:
            picture = change(picture, (2 * draws[number] - 1) * strength)
        else:
            low = max(0.0, 1 - strength)
            high = 1 + strength
            picture = change(picture, low + draws[number] * (high - low))
    return picture


def change_brightness(picture: np.ndarray, factor: float) -> np.ndarray:
    """Every value times factor."""
    return cv2.LUT(picture, _lookup_table(np.arange(256) * factor))


def change_contrast(picture: np.ndarray, factor: float) -> np.ndarray:
    """Every value's distance from the mean grey value times factor."""
    mean = np.round(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean())
    return cv2.LUT(picture, _lookup_table(mean + (np.arange(256) - mean) * factor))


def change_saturation(picture: np.ndarray, factor: float) -> np.ndarray:
    """Every pixel's distance from its grey value (ITU-R 601) times factor."""
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(picture, factor, grey, 1 - factor, 0)


def shift_hue(picture: np.ndarray, shift: float) -> np.ndarray:
    """Shift every pixel's hue by `shift` of the colour circle."""
    # in HSV_FULL the colour circle has 256 steps, so that uint8 wraps around by itself
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(int(round(shift * 256)) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def _lookup_table(values: np.ndarray) -> np.ndarray:
    """uint8 [256] of float [256], rounded and clipped."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
