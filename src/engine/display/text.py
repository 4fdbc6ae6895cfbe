"""Text on pictures: ASCII with OpenCV's letters, all else with a font of the machine."""

from __future__ import annotations

import functools
from typing import NamedTuple, Tuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .fonts import font_file

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PIXELS = 30  # a font's size for letters as high as OpenCV's at scale 1
_SMALLEST = 14  # East Asian letters under this size cannot be told apart


class TextSize(NamedTuple):
    """The size of a text in pixels: `above` and `below` the line that letters stand on."""

    width: int
    above: int
    below: int


def measure_text(text: str, scale: float) -> TextSize:
    """The size of a text that `draw_text` draws with this scale."""
    if text.isascii():
        (width, above), below = cv2.getTextSize(text, _FONT, scale, 1)
        return TextSize(width, above, below)
    left, top, right, bottom = _font(text, scale).getbbox(text, anchor="ls")
    return TextSize(right - min(left, 0), max(-top, 1), max(bottom, 1))


def draw_text(
    canvas: np.ndarray, text: str, origin: Tuple[int, int], scale: float, ink: Tuple[int, int, int]
) -> None:
    """Draw one line of text.

    Args:
        canvas: uint8 [H, W, 3], changed. What reaches out of it is cut off.
        text: Letters that `fonts.font_file` knows a font for (`fonts.readable_name`).
        origin: x, y of the left end of the line that the letters stand on.
        scale: As OpenCV's.
        ink: The colour.
    """
    if text.isascii():
        cv2.putText(canvas, text, origin, _FONT, scale, ink, 1, cv2.LINE_AA)
        return
    size = measure_text(text, scale)
    image = Image.new("L", (size.width, size.above + size.below))
    ImageDraw.Draw(image).text((0, size.above), text, fill=255, font=_font(text, scale), anchor="ls")
    _blend(canvas, np.asarray(image), origin[0], origin[1] - size.above, ink)


def _blend(canvas, cover, left, top, ink):
    """Mix a colour into a canvas where `cover`, uint8 [h, w], says so."""
    x1 = max(left, 0)
    y1 = max(top, 0)
    part = canvas[y1 : top + cover.shape[0], x1 : left + cover.shape[1]]
    if part.size == 0:
        return
    cover = cover[y1 - top :, x1 - left :][: part.shape[0], : part.shape[1], None] / 255
    part[:] = np.round(part * (1 - cover) + np.array(ink) * cover).astype(np.uint8)


def _font(text, scale):
    return _load_font(font_file(text), max(_SMALLEST, round(_PIXELS * scale)))


@functools.lru_cache(maxsize=32)
def _load_font(path, pixels):
    return ImageFont.truetype(path, pixels)
