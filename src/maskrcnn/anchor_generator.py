"""Anchors of a feature pyramid; computed once with NumPy, when the network is built."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def base_anchors(
    stride: int, scales: Sequence[float], ratios: Sequence[float], rounded: bool = False
) -> np.ndarray:
    """The anchors of one cell, around (0, 0).

    Args:
        stride: Pixels from cell to cell. An anchor's area is that of a square of stride * scale.
        scales: The scales; the outer order of the result.
        ratios: Height over width; the inner order of the result.
        rounded: Whether coordinates are rounded to whole pixels, half to even. torchvision's published
            weights were trained with such anchors.

    Returns:
        float64 [scales * ratios, 4].
    """
    anchors = []
    for scale in scales:
        for ratio in ratios:
            height = stride * scale * np.sqrt(ratio)
            width = stride * scale / np.sqrt(ratio)
            anchors.append((-width / 2, -height / 2, width / 2, height / 2))
    return np.round(anchors) if rounded else np.array(anchors)


def grid_anchors(shape: tuple[int, int], steps: tuple[int, int], base: np.ndarray) -> np.ndarray:
    """The anchors of one level, in the order y, x, base anchor.

    Args:
        shape: (height, width) of the feature map.
        steps: Pixels from cell to cell in y and in x. Cell (i, j) is centred on (j * steps[1], i * steps[0]).
        base: [A, 4] from `base_anchors`.

    Returns:
        float32 [height * width * A, 4].
    """
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    y = y * steps[0]
    x = x * steps[1]
    shifts = np.stack((x, y, x, y), -1).reshape(-1, 1, 4)
    return (shifts + base).reshape(-1, 4).astype(np.float32)


def pyramid_anchors(
    canvas_size: tuple[int, int],
    feature_shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    scales: Sequence[float],
    ratios: Sequence[float],
    rounded: bool = False,
) -> list[np.ndarray]:
    """The anchors of each level, float32 [h * w * A, 4], P2 first.

    Cells are a stride apart. If `rounded`, they are canvas size // map size pixels apart, as in torchvision.
    The two differ where P5 has an odd side, because the side of P6 is then rounded up.

    Args:
        canvas_size: (height, width) in pixels.
        feature_shapes: (height, width) of each level's map.
        strides: Of each level, in pixels.
        scales, ratios, rounded: As in `base_anchors`.
    """
    levels = []
    for (height, width), stride in zip(feature_shapes, strides):
        base = base_anchors(stride, scales, ratios, rounded)
        if rounded:
            steps = (canvas_size[0] // height, canvas_size[1] // width)
        else:
            steps = (stride, stride)
        levels.append(grid_anchors((height, width), steps, base))
    return levels
