"""Pictures of 16 bits a channel to 8 bits.

Cameras and scanners of 10, 12 or 14 bits, and tools that store 8-bit values in 16-bit files, leave the upper
bits empty: dividing by 256 would make such a picture black. So the rule is: `used_bits` is the smallest of
8, 10, 12, 14 and 16 that holds the picture's largest value, and values are shifted right by that minus 8.
It looks at one picture alone, so that a picture always gives the same pixels.
"""

from __future__ import annotations

from typing import Optional, Tuple

import cv2
import numpy as np
from PIL import Image

_BITS = (8, 10, 12, 14, 16)
# Pillow's names of how pixels are stored, before the semicolon; it opens all but the first as 8-bit pictures.
# CMYK and premultiplied alpha are left to it.
_STORED = ("I", "RGB", "RGBA", "RGBX", "LA")


def stored_channels(image: Image.Image) -> Tuple[str, str]:
    """How the pixels of an opened picture are stored, in Pillow's words, before it is decoded.

    Returns:
        A letter for each channel ("RGB"; X is one that Pillow drops), and how the values are stored, "" for
        bytes, as "16B"; both "" for forms that do not tell.
    """
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return "", ""
    stored = image.tile[0][3]
    channels, _, values = str(stored if isinstance(stored, str) else stored[0]).partition(";")
    return channels, values


def dropped_channels(image: Image.Image) -> int:
    """How many channels an opened picture has if it has some besides grey or RGB and alpha, else 0."""
    channels, _ = stored_channels(image)
    return len(channels) if channels == "LX" or channels.startswith("RGBXX") else 0


def is_sixteen_bit(image: Image.Image) -> bool:
    """Whether an opened picture that is not yet decoded has grey or RGB values of 16 bits."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return True
    channels, values = stored_channels(image)
    return (channels in _STORED or channels.startswith("RGBXX")) and values[:2] == "16" and "S" not in values


def sixteen_bit_values(image: Image.Image, data: bytes) -> Optional[np.ndarray]:
    """The values of a picture that `is_sixteen_bit`, without alpha, rotated as a TIFF says.

    Args:
        image: the opened picture, not yet decoded.
        data: its file's bytes.

    Returns:
        uint16 [H, W] grey or [H, W, 3] RGB; None where OpenCV cannot decode it.

    Raises:
        Pillow's errors for files that are cut off or broken.
    """
    if image.mode.startswith("I"):
        return np.array(image).astype(np.uint16)
    image.load()  # Pillow finds a stream broken where OpenCV returns what it could make of it
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[:2] != image.size[::-1]:
        return None
    return values if values.ndim == 2 else np.ascontiguousarray(values[..., 2::-1])


def used_bits(values: np.ndarray) -> int:
    """The smallest of 8, 10, 12, 14 and 16 bits that holds the largest of uint16 values."""
    largest = int(values.max(initial=0))
    return next(bits for bits in _BITS if largest < 1 << bits)


def to_eight_bits(values: np.ndarray) -> np.ndarray:
    """uint16 [H, W] or [H, W, 3] as uint8 [H, W, 3], by the rule above."""
    pixels = (values >> (used_bits(values) - 8)).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels


def used_bits_text(values: np.ndarray) -> str:
    """What was done with a picture's values, for findings."""
    bits = used_bits(values)
    return f"{bits} of 16 bits used: values " + (f"divided by {1 << (bits - 8)}" if bits > 8 else "kept")
