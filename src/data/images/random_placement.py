"""Where a picture goes on the canvas in training: crop, flip, expansion and scale at random.

Everything follows from sizes and from random numbers that are drawn at once (`Draws`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .canvas import CanvasSettings, resized_size
from .placement import Placement, Window

# An expanded canvas is up to this many times as wide and high (SSD, Liu et al. 2016, section 2.2).
_EXPAND_LIMIT = 4.0


@dataclass(frozen=True)
class PlacementSettings:
    """How pictures are placed in training; the keys of the same names say what each does.

    Attributes:
        canvas: the canvas.
        flip_ratio, expand_ratio, crop_ratio: how likely a picture is flipped, expanded and cropped.
        crop_min_side: the least side of a crop, as a fraction of the picture's.
        multi_scale: the shorter sides that are drawn from; None for `CanvasSettings.resize`.
        large_scale_jitter: the range of the factor that is drawn; None for none.
    """

    canvas: CanvasSettings
    flip_ratio: float
    expand_ratio: float
    crop_ratio: float
    crop_min_side: float
    multi_scale: Optional[Tuple[int, ...]]
    large_scale_jitter: Optional[Tuple[float, float]]


class Draws(NamedTuple):
    """The random numbers of one placement, from 0 to under 1, in the order in which they are drawn.

    Attributes:
        flip: under flip_ratio, the picture is flipped.
        expand, expand_half: under expand_ratio and under a half, the picture is expanded.
        expand_ratio: how far it is expanded.
        left, top: where the picture lies in an expansion, or which part large-scale jitter keeps.
        crop: under crop_ratio, the picture is cropped.
        crop_height, crop_width: size of the crop.
        crop_top, crop_left: where it lies.
        crop_object: which object it keeps.
        size: the size of multi_scale, or the factor of large_scale_jitter.
    """

    flip: float
    expand: float
    expand_half: float
    expand_ratio: float
    left: float
    top: float
    crop: float
    crop_height: float
    crop_width: float
    crop_top: float
    crop_left: float
    crop_object: float
    size: float


class AxisCrop(NamedTuple):
    """What large-scale jitter keeps of a window along one axis.

    Attributes:
        start: its first pixel in the window.
        length: in pixels of the picture.
        canvas_length: in pixels of the canvas.
    """

    start: int
    length: int
    canvas_length: int


def place_randomly(
    height: int,
    width: int,
    settings: PlacementSettings,
    generator: np.random.Generator,
    boxes: Sequence[Sequence[float]] = (),
) -> Placement:
    """The Placement of a picture in training.

    It follows flip_ratio, expand_ratio, crop_ratio, multi_scale and large_scale_jitter.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        settings: how likely it is changed, and how far.
        generator: the same number of draws is taken from it in all cases, so that one setting does not change
            another's draws.
        boxes: [n, 4], x1, y1, x2, y2 of the picture's objects in pixels. A crop keeps the centre of at least
            one.
    """
    draws = Draws(*generator.random(6), *generator.random(7))
    window = Window(0, 0, height, width)
    if draws.crop < settings.crop_ratio:
        window = _random_window(height, width, settings.crop_min_side, draws, boxes)
    if settings.large_scale_jitter is not None:
        return _jittered(height, width, window, settings, draws)
    return _expanded(height, width, window, settings, draws)


def _random_window(
    height: int, width: int, min_side: float, draws: Draws, boxes: Sequence[Sequence[float]]
) -> Window:
    """A random crop with sides of `min_side` to 1 times the picture's.

    It holds the centre of one of the boxes, if there are any.
    """
    crop_height = _crop_length(height, min_side, draws.crop_height)
    crop_width = _crop_length(width, min_side, draws.crop_width)
    first_top = 0
    last_top = height - crop_height
    first_left = 0
    last_left = width - crop_width
    if len(boxes):
        x1, y1, x2, y2 = boxes[int(draws.crop_object * len(boxes))]
        center_y = int((y1 + y2) / 2)
        center_x = int((x1 + x2) / 2)
        first_top = max(0, center_y - crop_height + 1)
        last_top = min(last_top, center_y)
        first_left = max(0, center_x - crop_width + 1)
        last_left = min(last_left, center_x)
    return Window(
        top=_whole_number(first_top, last_top, draws.crop_top),
        left=_whole_number(first_left, last_left, draws.crop_left),
        height=crop_height,
        width=crop_width,
    )


def _crop_length(length: int, min_side: float, draw: float) -> int:
    """A side of a crop in pixels: `min_side` (draw 0) to 1 (draw 1) times the picture's side."""
    return max(1, int(length * (min_side + (1 - min_side) * draw) + 0.5))


def _whole_number(first: int, last: int, draw: float) -> int:
    """One of first, ..., last; draw: from 0 to under 1."""
    return first + int(draw * (last - first + 1))


def _expanded(
    height: int, width: int, window: Window, settings: PlacementSettings, draws: Draws
) -> Placement:
    """The window resized as `resize` or multi_scale say, possibly within a larger filled area (SSD)."""
    if settings.multi_scale is not None:
        short = settings.multi_scale[int(draws.size * len(settings.multi_scale))]
    else:
        short = _short_side(settings.canvas)
    ratio = 1.0
    if draws.expand < settings.expand_ratio and draws.expand_half < 0.5:
        ratio = 1 + (_EXPAND_LIMIT - 1) * draws.expand_ratio
    filled_height, filled_width = resized_size(
        window.height * ratio, window.width * ratio, settings.canvas, short
    )
    new_height = max(1, int(filled_height / ratio + 0.5))
    new_width = max(1, int(filled_width / ratio + 0.5))
    return Placement(
        source_height=height,
        source_width=width,
        height=new_height,
        width=new_width,
        top=_whole_number(0, filled_height - new_height, draws.top),
        left=_whole_number(0, filled_width - new_width, draws.left),
        filled_height=filled_height,
        filled_width=filled_width,
        flip=_is_flipped(settings, draws),
        window=_crop_or_none(window, height, width),
    )


def _jittered(
    height: int, width: int, window: Window, settings: PlacementSettings, draws: Draws
) -> Placement:
    """Large-scale jitter (Ghiasi et al. 2021, section 3).

    The window is resized to a random multiple of its usual size, and cropped or padded to the canvas.
    """
    canvas = settings.canvas
    low, high = settings.large_scale_jitter
    factor = low + (high - low) * draws.size
    usual_height, usual_width = resized_size(window.height, window.width, canvas, _short_side(canvas))
    rows = _crop_to_canvas(window.height, usual_height * factor, canvas.height, draws.top)
    columns = _crop_to_canvas(window.width, usual_width * factor, canvas.width, draws.left)
    kept = Window(window.top + rows.start, window.left + columns.start, rows.length, columns.length)
    return Placement(
        source_height=height,
        source_width=width,
        height=rows.canvas_length,
        width=columns.canvas_length,
        filled_height=rows.canvas_length,
        filled_width=columns.canvas_length,
        flip=_is_flipped(settings, draws),
        window=_crop_or_none(kept, height, width),
    )


def _crop_to_canvas(length: int, scaled_length: float, canvas_length: int, draw: float) -> AxisCrop:
    """One axis of a window that is resized to `scaled_length`, of which the canvas may show only a part.

    Args:
        length: of the window in pixels of the picture.
        scaled_length: what it is resized to.
        canvas_length: of the canvas.
        draw: which part is kept, from 0 (the first) to 1 (the last).
    """
    scaled_length = max(1, int(scaled_length + 0.5))
    kept_length = length
    if scaled_length > canvas_length:
        # whole pixels of the picture
        kept_length = max(1, int(length * canvas_length / scaled_length + 0.5))
    start = _whole_number(0, length - kept_length, draw)
    return AxisCrop(start, kept_length, min(scaled_length, canvas_length))


def _is_flipped(settings: PlacementSettings, draws: Draws) -> bool:
    return bool(draws.flip < settings.flip_ratio)


def _short_side(canvas: CanvasSettings) -> Optional[int]:
    """The shorter side that resize=short_side gives, None with resize=fit.

    Given to `resized_size`, it makes a picture smaller that would not fit the canvas: a crop may have a shape
    that no whole picture has.
    """
    return canvas.resize_short if canvas.resize == "short_side" else None


def _crop_or_none(window: Window, height: int, width: int) -> Optional[Window]:
    """The window; None if it is the whole picture."""
    return None if window == (0, 0, height, width) else window
