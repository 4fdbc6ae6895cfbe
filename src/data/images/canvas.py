"""The canvas, and the size to which a picture is resized on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from ...errors import ConfigError


@dataclass(frozen=True)
class CanvasSettings:
    """The canvas, and how pictures are resized onto it.

    Attributes:
        height, width: of the canvas in pixels.
        keep_ratio: whether a picture keeps its ratio of sides; without, it fills the canvas.
        resize: "fit" (as large as the canvas allows) or "short_side".
        resize_short, resize_long: for resize=short_side, the shorter side in pixels, and the longest that the
            longer one may get.
        mean: the pictures' mean colour, RGB.
        pads_with_mean: whether padding has the mean colour; else it is black.
    """

    height: int
    width: int
    keep_ratio: bool
    resize: str
    resize_short: int
    resize_long: int
    mean: Tuple[float, ...]
    pads_with_mean: bool


def resized_size(
    height: float, width: float, settings: CanvasSettings, short: Optional[float] = None
) -> Tuple[int, int]:
    """The size to which a picture is resized, as `keep_ratio` and `resize` say.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        settings: the canvas.
        short: length of the resized picture's shorter side, as far as resize_long and the canvas allow. It
            replaces `resize`.

    Returns:
        (height, width) in pixels, at most the canvas.

    Raises:
        ConfigError: where resize=short_side gives more than the canvas holds.
    """
    if not settings.keep_ratio:
        return settings.height, settings.width
    canvas_scale = min(settings.height / height, settings.width / width)
    if short is None and settings.resize == "fit":
        scale = canvas_scale
    else:
        short_scale = (short or settings.resize_short) / min(height, width)
        scale = min(short_scale, settings.resize_long / max(height, width))
        if short:
            scale = min(scale, canvas_scale)
    new_height = max(1, int(height * scale + 0.5))
    new_width = max(1, int(width * scale + 0.5))
    if scale <= canvas_scale:
        return min(settings.height, new_height), min(settings.width, new_width)
    if new_height > settings.height or new_width > settings.width:
        # the canvas that holds every picture: a square, of the multiple of 32 that resize_long needs
        side = -(-settings.resize_long // 32) * 32
        raise ConfigError(
            f"resize=short_side makes a picture of {width}x{height} {new_width}x{new_height}, which does not "
            f"fit img_width={settings.width} img_height={settings.height}; write img_width={side} "
            f"img_height={side}"
        )
    return new_height, new_width
