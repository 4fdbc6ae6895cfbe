"""Pictures: files' bytes to RGB pixels as viewers show them, and jittered colours."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ...errors import DataError

_ORIENTATION = 274  # EXIF tag: 1 as stored, 2 to 8 mirrored or turned (EXIF 2.3, page 36)
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "La", "RGBa")


def _open(source, name):
    """Pillow's lazily opened picture of a path or of bytes; DataError naming the picture if it is not one."""
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except OSError as error:
        reason = error.strerror or "not a picture that can be read"
        raise DataError(f"picture {name}: {reason}") from None
    except Exception as error:  # Pillow's parsers raise a dozen types on broken files
        raise DataError(f"picture {name}: not a picture that can be read ({_line(error)})") from None


def _orientation(image):
    """The EXIF orientation 1..8 of an opened picture; 1 where it has none or one that makes no sense."""
    # asking a picture that has none may decode it whole; Pillow turns TIFF itself
    if image.format == "TIFF" or not ("exif" in image.info or "xmp" in image.info):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return 1
    return value if value in range(1, 9) else 1


def picture_size(source, name=None):
    """(height, width) in pixels of a picture as it is displayed, from its header alone.

    source: a path or the file's bytes; name: what errors call it (the path by default). Raises DataError.
    """
    name = name or source
    if isinstance(source, bytes):
        return _displayed_size(_open(source, name))
    try:
        with open(source, "rb") as file:
            return _displayed_size(_open(file, name))
    except (OSError, ValueError) as error:
        raise DataError(f"picture {name}: {getattr(error, 'strerror', None) or error}") from None


def _displayed_size(image):
    width, height = image.size
    return (width, height) if _orientation(image) >= 5 else (height, width)


def check_header(data, name, size):
    """Check that a picture's bytes have a readable header and the annotated size (height, width), stored or displayed.

    A JPEG that does not end as it should is decoded, to find it cut off now rather than in training. Raises DataError.
    """
    image = _open(data, name)
    _turn(image, name, size)
    if image.format == "JPEG" and not _whole_file(data, "JPEG"):
        decode_picture(data, name, size)


def _turn(image, name, size):
    """The EXIF orientation to apply so that the picture has the annotated size; 1 if it is annotated as stored."""
    width, height = image.size
    if size is None or tuple(size) == _displayed_size(image):
        return _orientation(image)
    if tuple(size) == (height, width):
        return 1
    raise DataError(
        f"picture {name}: it is {width}x{height} (width x height), its annotations say {size[1]}x{size[0]}; correct either"
    )


def _whole_file(data, form):
    """Whether the file has its end marker; where it does not, Pillow decides, which unlike OpenCV refuses half a picture."""
    return data.rstrip(b"\0").endswith(b"\xff\xd9") if form == "JPEG" else b"IEND" in data[-64:]


def decode_picture(data, name, size=None):
    """Picture bytes to RGB uint8 [H, W, 3].

    Grey, palette and CMYK become RGB, alpha is dropped, 16 bits become 8, the first frame of an animation is taken. The EXIF
    orientation is applied as viewers do, unless the annotated `size` (height, width) says that annotations refer to the picture as
    it is stored. Raises DataError naming the picture if it cannot be decoded or has another size.
    """
    image = _open(data, name)
    orientation = _turn(image, name, size)
    pixels = None
    if image.format in ("JPEG", "PNG") and image.mode in ("RGB", "L") and _whole_file(data, image.format):
        # about a third faster than Pillow; both wrap the same libraries
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is not None:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    if pixels is None:
        pixels = _decode_slowly(image, name)
    return _oriented(pixels, orientation)


def _decode_slowly(image, name):
    try:
        if image.mode in _EIGHT_BIT:
            # Pillow turns neither a palette's nor a premultiplied mode's alpha into RGB in one step
            return np.array(
                image.convert("RGBA").convert("RGB")
                if image.mode in ("P", "PA", "La", "RGBa")
                else image.convert("RGB")
            )
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
            high = (np.array(image).astype(np.int64) >> 8).astype(np.uint8)
            return np.repeat(high[..., None], 3, 2)
    except Exception as error:  # as in _open
        raise DataError(f"picture {name}: cannot be decoded ({_line(error)})") from None
    raise DataError(f"picture {name}: pixels of kind '{image.mode}' are not supported; save it as 8-bit RGB")


def _oriented(pixels, orientation):
    """Undo an EXIF orientation: transpose for 5 to 8, then mirror."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def read_picture(path, size=None):
    """`decode_picture` of a file. Raises DataError naming it."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"picture {path}: {getattr(error, 'strerror', None) or error}") from None
    return decode_picture(data, path, size)


def _line(error):
    return " ".join(str(error).split())[:120] or type(error).__name__


def jitter_colors(picture, strengths, generator):
    """A picture uint8 [H, W, 3] (RGB) with brightness, contrast, saturation and hue changed at random, in a random order.

    strengths: those four, as in torchvision's ColorJitter: a factor is drawn from 1 - strength to 1 + strength (not under 0), a hue is
    turned by -strength to strength of the circle. generator: numpy Generator, from which as many numbers are drawn in all cases.
    """
    order, draws = generator.permutation(4), generator.random(4)
    for which in order.tolist():
        strength = strengths[which]
        if strength and which == 3:
            picture = turn_hue(picture, (2 * draws[which] - 1) * strength)
        elif strength:
            low, high = max(0.0, 1 - strength), 1 + strength
            picture = (change_brightness, change_contrast, change_saturation)[which](
                picture, low + draws[which] * (high - low)
            )
    return picture


def change_brightness(picture, factor):
    """Every value times factor."""
    return cv2.LUT(picture, _table(np.arange(256) * factor))


def change_contrast(picture, factor):
    """Every value's distance from the mean grey value times factor."""
    mean = np.round(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).mean())
    return cv2.LUT(picture, _table(mean + (np.arange(256) - mean) * factor))


def change_saturation(picture, factor):
    """Every pixel's distance from its grey value (ITU-R 601) times factor."""
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(picture, factor, grey, 1 - factor, 0)


def turn_hue(picture, turn):
    """Every pixel's hue turned by `turn` of the circle."""
    hsv = cv2.cvtColor(
        picture, cv2.COLOR_RGB2HSV_FULL
    )  # where the circle is 256 long, so that uint8 wraps around by itself
    hsv[..., 0] += np.uint8(int(round(turn * 256)) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def _table(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
