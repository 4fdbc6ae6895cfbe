"""Pictures that callers send: their size is checked before anything of them is decoded."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..data.images.decode import decode_picture, error_line, has_supported_pixels
from ..errors import DataError
from ..web.problems import Problem

# Pillow opens dozens of formats, some by starting other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_NAMES = "JPEG, PNG, WebP, BMP, TIFF or GIF"


def check_picture(data: bytes, max_pixels: int) -> None:
    """Check kind and size of a picture by its header.

    Args:
        data: The file's bytes.
        max_pixels: The largest picture.

    Raises:
        Problem: 415: another kind of file; 413: too many pixels; 422: a header that cannot be read, or
            pixels of a kind that is not supported.
    """
    if not data:
        raise Problem(400, "the request has no picture: its body, or the field 'picture', is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        # Pillow looks at its own limit before `size` can be asked.
        raise _too_large(f"more than {2 * Image.MAX_IMAGE_PIXELS}", max_pixels) from None
    except Image.UnidentifiedImageError:
        raise Problem(415, f"the picture is none that can be read; {_NAMES} expected") from None
    except Exception as error:
        # Pillow's parsers raise a dozen types on broken files
        raise Problem(422, f"the picture's header cannot be read ({error_line(error)})") from None
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(f"{width}x{height} = {width * height}", max_pixels)
    if not has_supported_pixels(image):
        raise Problem(422, f"pixels of kind '{image.mode}' are not supported; save the picture as 8-bit RGB")


def decode(data: bytes) -> np.ndarray:
    """uint8 [H, W, 3], RGB, of a picture that `check_picture` let pass; EXIF-rotated.

    Raises:
        Problem: 422: it cannot be decoded.
    """
    try:
        picture = decode_picture(data, "of the request")
    except DataError as error:
        raise Problem(422, str(error)) from None
    if 0 in picture.shape:
        raise Problem(422, "the picture has no pixels")
    return picture


def _too_large(size: str, max_pixels: int) -> Problem:
    return Problem(413, f"the picture has {size} pixels, {max_pixels} are the limit (--max-pixels)")
