"""Decode picture files to RGB pixels, rotated as their EXIF orientation says (`apply_exif_orientation`)."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import BinaryIO, Optional, Tuple, Union

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ...errors import DataError
from .sixteen_bits import is_sixteen_bit, sixteen_bit_values, to_eight_bits
from .tiff_header import unsupported_tiff

# Pillow says with a line of its code what it makes of broken EXIF, odd palettes, large pictures and too many
# channels. The check of the data says what matters of it.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
# Pillow refuses PNG files with a text of over 1 MB (some tools store a whole work-flow in it). 64 MB for all
# texts of a file, its other limit, still stops texts that are made to fill the memory.
PngImagePlugin.MAX_TEXT_CHUNK = 64 << 20
PngImagePlugin.MAX_TEXT_MEMORY = 64 << 20
# EXIF tag: 1 as stored, 2 to 8 mirrored or rotated (EXIF 2.3, page 36).
EXIF_ORIENTATION = 274
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "La", "RGBa")


def _open(source: Union[bytes, BinaryIO], name: Union[str, Path, bytes]) -> Image.Image:
    """Open a picture file, or its bytes, without decoding it. Raises DataError naming what is no picture."""
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError:
        reason = unsupported_tiff(_bytes_of(source)) or "not a picture that can be read"
        raise DataError(f"picture {name}: {reason}") from None
    except OSError as error:
        reason = error.strerror or "not a picture that can be read"
        raise DataError(f"picture {name}: {reason}") from None
    except Exception as error:
        # Pillow's parsers raise a dozen types on broken files
        raise DataError(f"picture {name}: not a picture that can be read ({error_line(error)})") from None


def _bytes_of(source: Union[bytes, BinaryIO]) -> bytes:
    """All bytes of what `_open` takes."""
    if isinstance(source, bytes):
        return source
    source.seek(0)
    return source.read()


def _exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8 of an opened picture; 1 where it has none or an invalid one."""
    # asking a picture that has none may decode it whole; Pillow applies the orientation of a TIFF itself
    if image.format == "TIFF" or not ("exif" in image.info or "xmp" in image.info):
        return 1
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:
        # a broken EXIF block does not make the pixels unreadable
        return 1
    return value if value in range(1, 9) else 1


def picture_size(source: Union[str, Path, bytes], name: Optional[Union[str, Path]] = None) -> Tuple[int, int]:
    """The size of a picture as it is displayed, from its header alone.

    Args:
        source: a path or the file's bytes.
        name: what errors call the picture; the path by default.

    Returns:
        (height, width) in pixels.

    Raises:
        DataError: if the header cannot be read.
    """
    name = name or source
    if isinstance(source, bytes):
        return _displayed_size(_open(source, name))
    try:
        with open(source, "rb") as file:
            return _displayed_size(_open(file, name))
    except (OSError, ValueError) as error:
        raise DataError(f"picture {name}: {getattr(error, 'strerror', None) or error}") from None


def _displayed_size(image: Image.Image) -> Tuple[int, int]:
    """(height, width) in pixels once the EXIF orientation is applied."""
    width, height = image.size
    return (width, height) if _exif_orientation(image) >= 5 else (height, width)


def check_header(data: bytes, name: str, size: Tuple[int, int]) -> None:
    """Check that a picture's header is readable and has the annotated size.

    A JPEG without its end marker is decoded, so that a truncated file is found before training.

    Args:
        data: the file's bytes.
        name: what errors call the picture.
        size: (height, width), as stored or as displayed.

    Raises:
        DataError: if the header is unreadable, the size another, or the file truncated.
    """
    image = _open(data, name)
    _orientation_to_apply(image, name, size)
    if image.format == "JPEG" and not has_end_marker(data, "JPEG"):
        decode_picture(data, name, size)


def _orientation_to_apply(image: Image.Image, name: Union[str, Path], size: Optional[Tuple[int, int]]) -> int:
    """The EXIF orientation that gives the picture its annotated size; 1 if it is annotated as stored.

    Raises:
        DataError: if the picture has another size.
    """
    width, height = image.size
    if size is None or tuple(size) == _displayed_size(image):
        return _exif_orientation(image)
    if tuple(size) == (height, width):
        return 1
    raise DataError(
        f"picture {name}: it is {width}x{height} (width x height), "
        f"its annotations say {size[1]}x{size[0]}; correct either"
    )


def has_end_marker(data: bytes, image_format: str) -> bool:
    """Whether a file's bytes, or its last 64, have the end marker of its format ("JPEG" or "PNG")."""
    if image_format == "JPEG":
        return data.rstrip(b"\0").endswith(b"\xff\xd9")
    return b"IEND" in data[-64:]


def has_supported_pixels(image: Image.Image) -> bool:
    """Whether an opened picture that is not yet decoded is of a kind that `decode_picture` takes."""
    return image.mode in _EIGHT_BIT or is_sixteen_bit(image)


def decode_picture(data: bytes, name: Union[str, Path], size: Optional[Tuple[int, int]] = None) -> np.ndarray:
    """Decode picture bytes to RGB.

    Grey, palette and CMYK become RGB, alpha is dropped, 16 bits become 8 by the rule of `sixteen_bits.py`,
    and the first frame of an animation is taken. The EXIF orientation is applied as viewers do, unless `size`
    says that the annotations refer to the picture as it is stored.

    Args:
        data: the file's bytes.
        name: what errors call the picture.
        size: the annotated (height, width); None if there are no annotations.

    Returns:
        uint8 [H, W, 3].

    Raises:
        DataError: if the picture cannot be decoded or has another size.
    """
    image = _open(data, name)
    orientation = _orientation_to_apply(image, name, size)
    pixels = None
    # Without its end marker, Pillow decodes the file: it refuses half a picture, OpenCV does not.
    is_plain = image.format in ("JPEG", "PNG") and image.mode in ("RGB", "L")
    if is_sixteen_bit(image):
        pixels = _decode_sixteen_bits(image, data, name)
    elif is_plain and has_end_marker(data, image.format):
        # about a third faster than Pillow; both wrap the same libraries
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is not None:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    if pixels is None:
        pixels = _decode_with_pillow(image, name)
    return apply_exif_orientation(pixels, orientation)


def _decode_with_pillow(image: Image.Image, name: Union[str, Path]) -> np.ndarray:
    """uint8 [H, W, 3], RGB, as stored. Raises DataError naming the picture."""
    try:
        if image.mode in _EIGHT_BIT:
            if image.mode in ("P", "PA", "La", "RGBa"):
                # Pillow converts neither a palette's nor a premultiplied mode's alpha to RGB in one step
                image = image.convert("RGBA")
            return np.array(image.convert("RGB"))
    except Exception as error:
        # as in _open
        raise DataError(f"picture {name}: cannot be decoded ({error_line(error)})") from None
    raise DataError(f"picture {name}: pixels of kind '{image.mode}' are not supported; save it as 8-bit RGB")


def _decode_sixteen_bits(image: Image.Image, data: bytes, name: Union[str, Path]) -> np.ndarray:
    """uint8 [H, W, 3], RGB, of a picture that `is_sixteen_bit`. Raises DataError naming the picture."""
    try:
        values = sixteen_bit_values(image, data)
    except Exception as error:
        # as in _open
        raise DataError(f"picture {name}: cannot be decoded ({error_line(error)})") from None
    if values is None:
        reason = (
            unsupported_tiff(data) or "16-bit pixels of this kind are not supported; save it as 8-bit RGB"
        )
        raise DataError(f"picture {name}: {reason}")
    return to_eight_bits(values)


def apply_exif_orientation(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate or mirror pixels [H, W, 3] as their EXIF orientation (1 to 8) says."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def read_picture(path: Union[str, Path], size: Optional[Tuple[int, int]] = None) -> np.ndarray:
    """`decode_picture` of a file. Raises DataError naming it."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"picture {path}: {getattr(error, 'strerror', None) or error}") from None
    return decode_picture(data, path, size)


def error_line(error: Exception) -> str:
    """An error's message on one line of at most 120 characters, or its type."""
    return " ".join(str(error).split())[:120] or type(error).__name__
