"""Label pictures whose pixels are numbers: which object, or which class, a pixel belongs to.

Values are as they are stored: 1 to 16 bits, a palette's index, a colour. PNG files that are cut off or
damaged are refused: decoders would make something of them.
"""

from __future__ import annotations

import os
import zlib
from io import BytesIO
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from PIL import Image

from ...errors import DataError
from ..images.decode import error_line
from ..read_ahead import Item, Loaded, read_ahead

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # PNG's colour type
_SPREAD = {1: 255, 2: 85, 4: 17}  # by how much decoders multiply grey values of so many bits
_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 2**26)  # as many as Pillow decodes
_THREADS = min(4, os.cpu_count() or 1)
_AHEAD = 8  # pictures that are read ahead

Colour = Tuple[int, int, int]


class IdImage(NamedTuple):
    """A label picture.

    Attributes:
        values: uint8, uint16 or int32 [H, W]; of a colour picture uint8 or uint16 [H, W, 3], as RGB.
        palette: {value: its colour}; empty for a picture without a palette.
        is_visible: bool [H, W], where a colour picture is not transparent; None: everywhere.
    """

    values: np.ndarray
    palette: Dict[int, Colour]
    is_visible: Optional[np.ndarray] = None


def decode_id_image(data: bytes) -> IdImage:
    """The label picture that a file's bytes hold.

    Raises:
        DataError: what is wrong with the file, without its name.
    """
    if not data.startswith(_PNG_START):
        return _with_pillow(data)
    _check_png(data)
    if data[25] == _PALETTE:
        return _with_pillow(data)
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise DataError("a PNG file that cannot be decoded")
    if values.ndim == 2:
        return IdImage(values // _SPREAD[data[24]] if data[24] in _SPREAD else values, {})
    return IdImage(values[..., 2::-1], {}, None if values.shape[2] == 3 else values[..., 3] > 0)


def _check_png(data):
    """Raise DataError for a PNG file that is cut off, damaged, or of too many pixels."""
    view = memoryview(data)
    position = len(_PNG_START)
    kind = b""
    while kind != b"IEND":
        end = position + 12 + int.from_bytes(view[position : position + 4], "big")
        if position + 12 > len(data) or end > len(data):
            raise DataError("a PNG file that is cut off")
        kind = bytes(view[position + 4 : position + 8])
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DataError("a PNG file that is damaged (a checksum is wrong)")
        position = end
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise DataError("a PNG file without a header")
    pixels = int.from_bytes(view[16:20], "big") * int.from_bytes(view[20:24], "big")
    if pixels > _MOST_PIXELS:
        raise DataError(f"a PNG file of {pixels} pixels, more than are safe to decode")


def _with_pillow(data):
    try:
        with Image.open(BytesIO(data)) as image:
            if image.mode in ("P", "PA"):
                return IdImage(np.array(image.getchannel(0)), _palette(image))
            if image.mode in ("1", "L", "I", "I;16", "I;16B", "I;16L"):
                return IdImage(_whole_values(np.array(image)), {})
            if image.mode == "RGB":
                return IdImage(np.array(image), {})
            if image.mode in ("LA", "RGBA"):
                values = np.array(image.convert("RGBA"))
                return IdImage(values[..., :3], {}, values[..., 3] > 0)
            mode = image.mode
    except Exception as error:
        # Pillow's parsers raise a dozen types on broken files
        raise DataError(f"not a picture that can be read ({error_line(error)})") from None
    raise DataError(f"pixels of kind '{mode}'; whole numbers of 8 or 16 bits or colours expected")


def _palette(image):
    channels = image.getpalette("RGB") or []
    return {i // 3: tuple(channels[i : i + 3]) for i in range(0, len(channels) - 2, 3)}


def _whole_values(values):
    """Values of up to 32 bits as one of the types of an IdImage."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype in (np.uint8, np.uint16):
        return values
    return values.astype(np.int32)


def colour_codes(colours: np.ndarray) -> np.ndarray:
    """int32 [...], red << 16 | green << 8 | blue, of uint8 [..., 3]."""
    red, green, blue = (colours[..., channel] for channel in range(3))
    return (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue


def colour_of(code: int) -> Colour:
    """The colour of one of `colour_codes`."""
    return code >> 16, code >> 8 & 255, code & 255


def load_ahead(load: Callable[[Item], Loaded], items: Iterable[Item]) -> Iterator[Loaded]:
    """What `load` gives of each item's label pictures, in order: threads decode some of them ahead."""
    return read_ahead(load, items, _THREADS, _AHEAD)
