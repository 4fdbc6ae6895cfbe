"""Anchors of a feature pyramid, from arithmetic alone (NumPy, once, when the network is built)."""

from __future__ import annotations

import numpy as np


def base_anchors(stride, scales, ratios, rounded=False):
    """Anchors [scales * ratios, 4] around (0, 0): sides stride * scale, a ratio is height over width at equal area (float64).

    `rounded` gives whole pixels, half to even, as the weights that torchvision publishes were trained with.
    """
    anchors = []
    for scale in scales:
        for ratio in ratios:
            height, width = stride * scale * np.sqrt(ratio), stride * scale / np.sqrt(ratio)
            anchors.append((-width / 2, -height / 2, width / 2, height / 2))
    return np.round(anchors) if rounded else np.array(anchors)


def grid_anchors(shape, steps, base):
    """Anchors [h * w * A, 4] of one level, order y, x, base anchor; cell (i, j) is centred on (j * steps[1], i * steps[0])."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    y, x = y * steps[0], x * steps[1]
    shifts = np.stack((x, y, x, y), -1).reshape(-1, 1, 4)
    return (shifts + base).reshape(-1, 4).astype(np.float32)


def pyramid_anchors(config):
    """A list of float32 anchors [h * w * A, 4], one array a level, P2 first.

    Cells are a stride apart. With `anchor_round` they are the canvas over the map apart, in whole pixels, as the weights that torchvision
    publishes were trained with: another number where P5 has an odd side, of which P6 keeps the larger half.
    """
    levels = []
    for (height, width), stride in zip(config.feature_shapes, config.anchor_strides):
        base = base_anchors(stride, config.anchor_scales, config.anchor_ratios, config.anchor_round)
        steps = (
            (config.img_height // height, config.img_width // width)
            if config.anchor_round
            else (stride, stride)
        )
        levels.append(grid_anchors((height, width), steps, base))
    return levels
