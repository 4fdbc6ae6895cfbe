"""Where a picture goes on the canvas: decided from sizes and random numbers alone.

Its pixels, boxes and masks then follow.

A picture is cut, mirrored and resized once, straight to its final size: an expanded canvas 4x as large, or a
picture enlarged twice of which a part is kept, is never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
import numpy as np

from ...errors import ConfigError

_EXPAND_LIMIT = (
    4.0  # an expanded canvas is up to this many times as wide and high (SSD, Liu et al. 2016, section 2.2)
)


@dataclass(frozen=True)
class Placement:
    """Where a picture of source_height x source_width goes on the canvas; all in pixels.

    height, width: its size on the canvas; top, left: its corner there; filled_height, filled_width: the part
    of the canvas from its top-left corner that is not padding (larger than the picture where it was
    expanded); flip: mirrored left to right; window: (top, left, height, width) of the part of the picture
    that is placed, None for all of it.
    """

    source_height: int
    source_width: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    filled_height: int = 0
    filled_width: int = 0
    flip: bool = False
    window: Optional[Tuple[int, int, int, int]] = None

    @property
    def part(self):
        """(top, left, height, width) of what is placed, in the picture."""
        return self.window or (0, 0, self.source_height, self.source_width)

    @property
    def axes(self):
        """((ax, bx), (ay, by)): point (x, y) of the picture is (ax * x + bx, ay * y + by) on the canvas."""
        top, left, height, width = self.part
        across, down = self.width / width, self.height / height
        if self.flip:
            return (-across, self.left + (left + width) * across), (down, self.top - top * down)
        return (across, self.left - left * across), (down, self.top - top * down)

    @property
    def meta(self):
        """float32 [6]: height and width of the filled part, scale_y, scale_x (canvas over source pixels),
        source height and width.
        """
        _, _, height, width = self.part
        return np.array(
            [
                self.filled_height,
                self.filled_width,
                self.height / height,
                self.width / width,
                self.source_height,
                self.source_width,
            ],
            np.float32,
        )


def resized_size(height, width, config, short=None):
    """(height, width) to which a picture is resized by keep_ratio and resize; at most the canvas.

    short: the shorter side to give it, as far as resize_long and the canvas allow, instead of `resize`.
    Raises ConfigError where resize=short_side gives more than the canvas holds.
    """
    if not config.keep_ratio:
        return config.img_height, config.img_width
    fit = min(config.img_height / height, config.img_width / width)
    if short is None and config.resize == "fit":
        scale = fit
    else:
        scale = min(
            (short or config.resize_short) / min(height, width),
            config.resize_long / max(height, width),
            fit if short else np.inf,
        )
    new_height, new_width = max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
    if scale <= fit:
        return min(config.img_height, new_height), min(config.img_width, new_width)
    if new_height > config.img_height or new_width > config.img_width:
        side = -(-config.resize_long // 32) * 32
        raise ConfigError(
            f"resize=short_side makes a picture of {width}x{height} {new_width}x{new_height}, which "
            f"does not fit "
            f"img_width={config.img_width} img_height={config.img_height}; write img_width={side} "
            f"img_height={side}"
        )
    return new_height, new_width


def place_plainly(height, width, config):
    """The Placement of a picture in evaluation: resized into the canvas's top-left corner."""
    new_height, new_width = resized_size(height, width, config)
    return Placement(height, width, new_height, new_width, 0, 0, new_height, new_width)


def place_randomly(height, width, config, generator, boxes=()):
    """The Placement of a picture in training, as flip_ratio, expand_ratio, crop_ratio, multi_scale and
    large_scale_jitter say.

    generator: numpy Generator, from which as many numbers are drawn in all cases, so that one setting does
        not change another's draws; boxes [n, 4]: the picture's objects, of which a crop keeps at least one's
        centre.
    """
    flip, draw, half, ratio, across, down = generator.random(6)
    crop, crop_height, crop_width, crop_down, crop_across, which, size = generator.random(7)
    window = (0, 0, height, width)
    if crop < config.crop_ratio:
        window = _random_window(
            height,
            width,
            config.crop_min_side,
            (crop_height, crop_width, crop_down, crop_across, which),
            boxes,
        )
    flip = bool(flip < config.flip_ratio)
    short = (
        config.resize_short if config.resize == "short_side" else None
    )  # where a crop's shape would not fit, the canvas decides
    if config.large_scale_jitter is not None:
        return _jittered(height, width, window, config, short, size, (down, across), flip)
    if config.multi_scale is not None:
        short = config.multi_scale[int(size * len(config.multi_scale))]
    ratio = 1 + (_EXPAND_LIMIT - 1) * ratio if draw < config.expand_ratio and half < 0.5 else 1.0
    filled_height, filled_width = resized_size(window[2] * ratio, window[3] * ratio, config, short)
    new_height, new_width = max(1, int(filled_height / ratio + 0.5)), max(1, int(filled_width / ratio + 0.5))
    top, left = int(down * (filled_height - new_height + 1)), int(across * (filled_width - new_width + 1))
    return Placement(
        height,
        width,
        new_height,
        new_width,
        top,
        left,
        filled_height,
        filled_width,
        flip,
        None if window == (0, 0, height, width) else window,
    )


def _random_window(height, width, smallest, draws, boxes):
    """(top, left, height, width) with sides of `smallest` to 1 times the picture's, around the centre of one
    of its boxes, if any.
    """
    crop_height, crop_width, down, across, which = draws
    new_height, new_width = (
        max(1, int(side * (smallest + (1 - smallest) * draw) + 0.5))
        for side, draw in ((height, crop_height), (width, crop_width))
    )
    ranges = [(0, height - new_height), (0, width - new_width)]
    if len(boxes):
        x1, y1, x2, y2 = boxes[int(which * len(boxes))]
        for axis, (low, high, side) in enumerate(((y1, y2, new_height), (x1, x2, new_width))):
            centre = int((low + high) / 2)
            ranges[axis] = (max(0, centre - side + 1), min(ranges[axis][1], centre))
    top, left = (
        first + int(draw * (last - first + 1)) for (first, last), draw in zip(ranges, (down, across))
    )
    return top, left, new_height, new_width


def _jittered(height, width, window, config, short, size, offsets, flip):
    """Large-scale jitter (Ghiasi et al.

    2021, section 3): resized to a random multiple of its usual size, and cut or padded to the canvas.
    """
    low, high = config.large_scale_jitter
    top, left, part_height, part_width = window
    usual = resized_size(part_height, part_width, config, short)
    scaled = [max(1, int(side * (low + (high - low) * size) + 0.5)) for side in usual]
    seen = []
    for length, side, room, draw in zip(
        (part_height, part_width), scaled, (config.img_height, config.img_width), offsets
    ):
        kept = (
            length if side <= room else max(1, int(length * room / side + 0.5))
        )  # whole pixels of the picture
        seen.append((int(draw * (length - kept + 1)), kept, min(side, room)))
    (down, kept_height, new_height), (across, kept_width, new_width) = seen
    part = (top + down, left + across, kept_height, kept_width)
    return Placement(
        height,
        width,
        new_height,
        new_width,
        0,
        0,
        new_height,
        new_width,
        flip,
        None if part == (0, 0, height, width) else part,
    )


def place_picture(picture, placement, config, out=None):
    """Draw a picture uint8 [h, w, 3] onto the canvas uint8 [img_height, img_width, 3] and return it.

    Half-pixel-correct bilinear resizing, or the mean of the pixels that a pixel covers where the picture
    shrinks to under half: bilinear sampling would skip some. An expansion is filled with the mean, padding as
    `padding` says. out: a canvas to write into.
    """
    canvas = np.empty((config.img_height, config.img_width, 3), np.uint8) if out is None else out
    p = placement
    mean = np.round(config.img_mean if config.channel_order == "RGB" else config.img_mean[::-1]).astype(
        np.uint8
    )
    around = mean if config.padding == "mean" else np.zeros(3, np.uint8)
    # whole rows at a time: three bytes at a time is ten times slower
    rows = canvas.reshape(len(canvas), -1)
    rows[p.filled_height :] = np.tile(around, config.img_width)
    rows[: p.filled_height, 3 * p.filled_width :] = np.tile(around, config.img_width - p.filled_width)
    if (p.height, p.width) != (p.filled_height, p.filled_width):
        rows[: p.filled_height, : 3 * p.filled_width] = np.tile(mean, p.filled_width)
    top, left, height, width = p.part
    picture = picture[top : top + height, left : left + width]
    if p.flip:
        picture = cv2.flip(picture, 1)
    part = canvas[p.top : p.top + p.height, p.left : p.left + p.width]
    if picture.shape == part.shape:
        part[:] = picture
    else:
        shrinks = 2 * p.height < height and 2 * p.width < width
        cv2.resize(
            picture,
            (p.width, p.height),
            dst=part,
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
    return canvas


def to_picture(boxes, scores, labels, found, masks, meta):
    """One picture's detections from a network's padded outputs on the canvas, back in the picture's own
    pixels.

    boxes [D, 4], scores [D], labels [D], found bool [D], masks [D, m, m]; meta float32 [6], as
    `Placement.meta`. Returns a dict of those found: boxes float32 [n, 4], scores [n], labels [n] and masks
    [n, m, m].
    """
    scale = np.array([meta[3], meta[2], meta[3], meta[2]], np.float32)
    limit = np.array([meta[5], meta[4], meta[5], meta[4]], np.float32)
    return dict(
        boxes=np.clip(boxes[found] / scale, 0, limit),
        scores=scores[found],
        labels=labels[found],
        masks=masks[found],
    )


def flip_boxes(boxes, width):
    """Boxes [n, 4] x1, y1, x2, y2 mirrored left to right in a picture `width` pixels wide."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


def place_boxes(boxes, placement):
    """float32 [n, 4] canvas boxes of a picture's boxes [n, 4] (x1, y1, x2, y2, in its pixels), cut at the
    edges of what is placed.
    """
    p = placement
    top, left, height, width = p.part
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) - (left, top, left, top)
    if p.flip:
        boxes = flip_boxes(boxes, width)
    scale = np.array([p.width / width, p.height / height] * 2)
    corner = (p.left, p.top, p.left, p.top)
    if p.window is not None:
        return (np.clip(boxes * scale, 0, [p.width, p.height] * 2) + corner).astype(np.float32)
    return np.clip(boxes * scale + corner, 0, [p.filled_width, p.filled_height] * 2).astype(np.float32)
