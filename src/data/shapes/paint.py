"""Rasterising and painting for `src/data/shapes/drawn_data.py`: coverage of outlines, colours, textures,
shading and shadows.

The functions that paint get a random generator of their own, another than the one that decided the shapes:
how an object looks is independent of what it is.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from .drawn_object import DrawnObject

# The share of a texture's second colour, at least and at most: outlines stay clearer than textures.
TEXTURE_SHARE = (0.1, 0.4)
# The sides of a pixel's raster of samples.
_SUPERSAMPLE = 4
# Fractional bits of cv2.fillPoly's coordinates.
_FRACTION_BITS = 4


class Coverage(NamedTuple):
    """How much of each pixel an outline covers, in a window around the outline.

    Attributes:
        alpha: uint8 [h, w] of 0..255.
        window: (rows, columns), slices of the picture.
    """

    alpha: np.ndarray
    window: Tuple[slice, slice]


class Paint(NamedTuple):
    """How an object is painted.

    Attributes:
        first: float32 [3] RGB of 0..255, the main colour.
        second: float32 [3] RGB of 0..255, the texture's other colour.
        texture_seed: the seed of the texture.
    """

    first: np.ndarray
    second: np.ndarray
    texture_seed: int


def coverage(outline: np.ndarray, size: Tuple[int, int]) -> Coverage:
    """How much of each pixel an outline covers.

    Args:
        outline: float [n, 2] vertices x, y in pixels; pixel (i, j) spans [i, i+1] x [j, j+1].
        size: (width, height) of the picture in pixels.
    """
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 1, size)
    width, height = np.maximum(high - low, 1)
    fine = np.zeros((height * _SUPERSAMPLE, width * _SUPERSAMPLE), np.uint8)
    points = np.round(((outline - low) * _SUPERSAMPLE - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, cv2.LINE_8, _FRACTION_BITS)
    alpha = cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return Coverage(alpha, (slice(low[1], low[1] + height), slice(low[0], low[0] + width)))


def rasterise(outlines: Sequence[np.ndarray], size: Tuple[int, int]) -> np.ndarray:
    """bool [H, W]: the pixels of which an outline covers at least a half.

    Args:
        outlines: float [n, 2] vertices x, y in pixels, each.
        size: (width, height) of the picture in pixels.
    """
    mask = np.zeros((size[1], size[0]), bool)
    for outline in outlines:
        alpha, window = coverage(outline, size)
        mask[window] |= alpha >= 128
    return mask


def paint_scene(
    rng: np.random.Generator, size: Tuple[int, int], objects: Sequence[DrawnObject]
) -> np.ndarray:
    """Paint a textured background, the objects' outlines over it in their order, and noise.

    Args:
        rng: decides colours and textures.
        size: (width, height) of the picture in pixels.
        objects: from the lowest to the topmost.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    width, height = size
    canvas = _background(rng, height, width)
    for item in objects:
        paint = _random_paint(rng, canvas[item.full].mean(0))
        for outline in item.outlines:
            _paint_outline(canvas, outline, size, paint)
    grain = rng.standard_normal((height, width, 1), np.float32)
    canvas += grain * np.float32(rng.uniform(1, 5)) + np.float32(0.5)
    return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float32 [H, W, 3] RGB: two similar colours, mixed by a texture and a gradient."""
    first = _random_colour(rng, (0.05, 0.45), (0.25, 0.95))
    second = np.clip(first + rng.uniform(-45, 45, 3), 0, 255).astype(np.float32)
    share = rng.uniform(*TEXTURE_SHARE) * _random_texture(rng, height, width, max(width, height) / 5)
    share = share + 0.5 * _random_gradient(rng, height, width)
    return first + (second - first) * share.astype(np.float32)[:, :, None]


def _random_colour(
    rng: np.random.Generator, saturation: Tuple[float, float], value: Tuple[float, float]
) -> np.ndarray:
    """float32 [3] RGB of 0..255 of any hue, with HSV saturation and value within two ranges of 0..1."""
    hsv = np.array([[[rng.uniform(0, 360), rng.uniform(*saturation), rng.uniform(*value)]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255


def _random_paint(rng: np.random.Generator, background: np.ndarray) -> Paint:
    """A Paint whose main colour differs clearly from `background`, a mean colour float [3]."""
    for _ in range(20):
        first = _random_colour(rng, (0.35, 1.0), (0.35, 1.0))
        if np.linalg.norm(first - background) >= 90:
            break
    if rng.random() < 0.5:
        second = first * rng.uniform(0.45, 0.75)
    else:
        second = first + (255 - first) * rng.uniform(0.3, 0.7)
    return Paint(first, np.clip(second, 0, 255).astype(np.float32), int(rng.integers(2**31)))


def _paint_outline(canvas: np.ndarray, outline: np.ndarray, size: Tuple[int, int], paint: Paint) -> None:
    """Paint one outline: its shadow, its texture, lit from the top left, and a darker rim."""
    alpha, window = coverage(outline, size)
    height, width = alpha.shape
    alpha = alpha.astype(np.float32) / 255
    _cast_shadow(canvas, alpha, window)
    rng = np.random.default_rng(paint.texture_seed)
    share = rng.uniform(*TEXTURE_SHARE) * _random_texture(
        rng, height, width, max(6.0, max(height, width) / 4)
    )
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1.12 - 0.24 * (down / max(height, 2) + right / max(width, 2)) / 2
    inner = cv2.erode(alpha, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rim = 1 - 0.45 * (alpha - inner)
    colour = (paint.first + (paint.second - paint.first) * share[:, :, None]) * (light * rim)[:, :, None]
    canvas[window] += (colour - canvas[window]) * alpha[:, :, None]


def _cast_shadow(canvas: np.ndarray, alpha: np.ndarray, window: Tuple[slice, slice]) -> None:
    """Darken the canvas around an object, so that overlapping objects can be told apart.

    The shadow is the blurred coverage, moved a little to the right and down.

    Args:
        canvas: float32 [H, W, 3], changed.
        alpha: float32 [h, w], the object's coverage of 0..1.
        window: where that lies on the canvas.
    """
    reach = max(2, round(0.06 * max(alpha.shape)))
    shadow = cv2.GaussianBlur(np.pad(alpha, reach), (0, 0), reach / 2)
    rows, columns = window
    top = rows.start - reach // 2
    left = columns.start - reach // 2
    bottom = min(top + shadow.shape[0], canvas.shape[0])
    right = min(left + shadow.shape[1], canvas.shape[1])
    shadow = shadow[max(0, -top) : bottom - top, max(0, -left) : right - left]
    canvas[max(0, top) : bottom, max(0, left) : right] *= 1 - 0.35 * shadow[:, :, None]


def _random_gradient(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float [height, width] that rises from 0 to 1 in a random direction."""
    distance = _distance_along(height, width, rng.uniform(0, 2 * math.pi))
    return (distance - distance.min()) / max(float(np.ptp(distance)), 1e-6)


def _distance_along(height: int, width: int, angle: float) -> np.ndarray:
    """float [height, width]: each pixel's distance from the top left corner in the direction of an angle."""
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    return columns * math.cos(angle) + rows * math.sin(angle)


def _random_texture(rng: np.random.Generator, height: int, width: int, longest_period: float) -> np.ndarray:
    """float [height, width] of 0..1, the share of the second colour.

    It is flat, a gradient, noise, stripes, checks or dots. `longest_period` is the longest period of the last
    four, in pixels.
    """
    kind = ("flat", "gradient", "noise", "stripes", "checks", "dots")[int(rng.integers(6))]
    if kind == "flat":
        return np.zeros((height, width), np.float32)
    if kind == "gradient":
        return _random_gradient(rng, height, width).astype(np.float32)
    period = rng.uniform(min(5.0, longest_period), longest_period)
    if kind == "noise":
        cells = (max(2, math.ceil(height / period * 2)), max(2, math.ceil(width / period * 2)))
        noise = rng.random(cells).astype(np.float32)
        return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    angle = rng.uniform(0, 2 * math.pi)
    wave = _wave(height, width, angle, period)
    if kind == "stripes":
        return np.clip(wave * 2 + 0.5, 0, 1)
    crossing_wave = _wave(height, width, angle + math.pi / 2, period)
    if kind == "checks":
        return np.clip(wave * crossing_wave * 4 + 0.5, 0, 1)
    return np.clip((wave + crossing_wave - 0.9) * 4, 0, 1)


def _wave(height: int, width: int, angle: float, period: float) -> np.ndarray:
    """float [height, width]: a sine along an angle, of a period in pixels."""
    return np.sin(_distance_along(height, width, angle) * (2 * math.pi / period))
