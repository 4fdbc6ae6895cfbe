"""Rasterising and painting for `src/data/shapes/drawn_data.py`: coverage of outlines, colours, textures,
shading and shadows.

Everything here takes its own random generator, apart from the one that chose the shapes: how an object looks
is independent of what it is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

# The share of a texture's second colour, at least and at most: outlines stay clearer than textures.
TEXTURE = (0.1, 0.4)
_SUPERSAMPLE = 4
_SHIFT = 4  # fractional bits of cv2.fillPoly's coordinates


def coverage(outline, size):
    """How much of each pixel an outline covers.

    outline: float [n, 2] vertices in pixels (pixel (i, j) spans [i, i+1] x [j, j+1]); size: (width, height).
    Returns (uint8 [h, w] coverage 0..255, (rows, columns) slices: where that window lies in the picture).
    """
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(outline.max(0)).astype(int) + 1, size)
    width, height = np.maximum(high - low, 1)
    fine = np.zeros((height * _SUPERSAMPLE, width * _SUPERSAMPLE), np.uint8)
    points = np.round(((outline - low) * _SUPERSAMPLE - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, cv2.LINE_8, _SHIFT)
    return cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA), (
        slice(low[1], low[1] + height),
        slice(low[0], low[0] + width),
    )


def rasterise(outlines, size):
    """bool [H, W]: the pixels of which the outlines (a list of float [n, 2]) cover at least a half.

    Size: (width, height).
    """
    mask = np.zeros((size[1], size[0]), bool)
    for outline in outlines:
        alpha, window = coverage(outline, size)
        mask[window] |= alpha >= 128
    return mask


def paint_scene(rng, size, objects):
    """uint8 [H, W, 3] RGB: a textured background and each object's `outlines` over it in order.

    Size: (width, height).
    """
    canvas = _background(rng, size)
    for item in objects:
        paint = _choose_paint(rng, canvas[item["full"]].mean(0))
        for outline in item["outlines"]:
            _paint_outline(canvas, outline, size, paint)
    grain = rng.standard_normal((size[1], size[0], 1), np.float32)
    canvas += grain * np.float32(rng.uniform(1, 5)) + np.float32(0.5)
    return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)


def _background(rng, size):
    width, height = size
    first = _colour(rng, (0.05, 0.45), (0.25, 0.95))
    second = np.clip(first + rng.uniform(-45, 45, 3), 0, 255).astype(np.float32)
    weight = rng.uniform(*TEXTURE) * _texture(rng, height, width, max(width, height) / 5) + 0.5 * _gradient(
        rng, height, width
    )
    return first + (second - first) * weight.astype(np.float32)[:, :, None]


def _colour(rng, saturation, value):
    """float32 [3] RGB 0..255 of any hue, its HSV saturation and value within the two ranges (0..1)."""
    hsv = np.array([[[rng.uniform(0, 360), rng.uniform(*saturation), rng.uniform(*value)]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] * 255


def _choose_paint(rng, behind):
    """Two colours, the first far enough from what is `behind` (float [3]) to be seen, and the seed of a
    texture.
    """
    for _ in range(20):
        first = _colour(rng, (0.35, 1.0), (0.35, 1.0))
        if np.linalg.norm(first - behind) >= 90:
            break
    second = np.clip(
        first * rng.uniform(0.45, 0.75)
        if rng.random() < 0.5
        else first + (255 - first) * rng.uniform(0.3, 0.7),
        0,
        255,
    )
    return first, second.astype(np.float32), int(rng.integers(2**31))


def _paint_outline(canvas, outline, size, paint):
    alpha, window = coverage(outline, size)
    first, second, texture_seed = paint
    height, width = alpha.shape
    alpha = alpha.astype(np.float32) / 255
    _cast_shadow(canvas, alpha, window)
    rng = np.random.default_rng(texture_seed)
    weight = rng.uniform(*TEXTURE) * _texture(rng, height, width, max(6.0, max(height, width) / 4))
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1.12 - 0.24 * (down / max(height, 2) + right / max(width, 2)) / 2
    rim = 1 - 0.45 * (
        alpha - cv2.erode(alpha, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    )
    colour = (first + (second - first) * weight[:, :, None]) * (light * rim)[:, :, None]
    canvas[window] += (colour - canvas[window]) * alpha[:, :, None]


def _cast_shadow(canvas, alpha, window):
    """Darken what lies under and a little right of and below the object, so that overlapping objects stand
    apart.
    """
    reach = max(2, round(0.06 * max(alpha.shape)))
    soft = cv2.GaussianBlur(np.pad(alpha, reach), (0, 0), reach / 2)
    rows, columns = window
    top, left = rows.start - reach // 2, columns.start - reach // 2
    bottom, right = min(top + soft.shape[0], canvas.shape[0]), min(left + soft.shape[1], canvas.shape[1])
    soft = soft[max(0, -top) : bottom - top, max(0, -left) : right - left]
    canvas[max(0, top) : bottom, max(0, left) : right] *= 1 - 0.35 * soft[:, :, None]


def _gradient(rng, height, width):
    along = _along(rng, height, width)
    return (along - along.min()) / max(float(np.ptp(along)), 1e-6)


def _along(rng, height, width, angle=None):
    angle = rng.uniform(0, 2 * math.pi) if angle is None else angle
    return np.arange(width, dtype=np.float32) * math.cos(angle) + np.arange(height, dtype=np.float32)[
        :, None
    ] * math.sin(angle)


def _texture(rng, height, width, largest):
    """float32 [height, width] of 0..1, the share of the second colour: flat, gradient, noise, stripes, checks
    or dots.

    `largest` is the longest period of the last four, in pixels.
    """
    kind = ("flat", "gradient", "noise", "stripes", "checks", "dots")[int(rng.integers(6))]
    if kind == "flat":
        return np.zeros((height, width), np.float32)
    if kind == "gradient":
        return _gradient(rng, height, width).astype(np.float32)
    period = rng.uniform(min(5.0, largest), largest)
    if kind == "noise":
        cells = rng.random(
            (max(2, math.ceil(height / period * 2)), max(2, math.ceil(width / period * 2)))
        ).astype(np.float32)
        return np.clip(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    angle = rng.uniform(0, 2 * math.pi)
    one = np.sin(_along(rng, height, width, angle) * (2 * math.pi / period))
    if kind == "stripes":
        return np.clip(one * 2 + 0.5, 0, 1)
    other = np.sin(_along(rng, height, width, angle + math.pi / 2) * (2 * math.pi / period))
    return (
        np.clip(one * other * 4 + 0.5, 0, 1) if kind == "checks" else np.clip((one + other - 0.9) * 4, 0, 1)
    )
