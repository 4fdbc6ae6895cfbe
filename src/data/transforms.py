"""Pictures: bytes to RGB, where a picture goes on the canvas, and the same way for its boxes.

A `Placement` is decided first, from sizes and random numbers alone; pixels and boxes then follow it. A picture is resized once,
straight to its final size: an expanded canvas 4x as large is never made.
"""
from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from src.errors import ConfigError, DataError

_EXPAND_LIMIT = 4.0                # an expanded canvas is up to this many times as wide and high (SSD, Liu et al. 2016, section 2.2)
_ORIENTATION = 274                 # EXIF tag: 1 as stored, 2 to 8 mirrored or turned (EXIF 2.3, page 36)
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
    raise DataError(f"picture {name}: it is {width}x{height} (width x height), its annotations say {size[1]}x{size[0]}; correct either")


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
            return np.array(image.convert("RGBA").convert("RGB") if image.mode in ("P", "PA", "La", "RGBa") else image.convert("RGB"))
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


@dataclass(frozen=True)
class Placement:
    """Where a picture of source_height x source_width goes on the canvas; all in pixels.

    height, width: its resized size; top, left: its corner on the canvas; filled_height, filled_width: the part of the canvas from its
    top-left corner that is not padding (larger than the picture where it was expanded); flip: mirrored left to right.
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

    @property
    def meta(self):
        """float32 [6]: height and width of the filled part, scale_y, scale_x (canvas over source pixels), source height and width."""
        return np.array([self.filled_height, self.filled_width, self.height / self.source_height, self.width / self.source_width,
                         self.source_height, self.source_width], np.float32)


def resized_size(height, width, config):
    """(height, width) to which a picture is resized by keep_ratio and resize; at most the canvas.

    Raises ConfigError where resize=short_side gives more than the canvas holds.
    """
    if not config.keep_ratio:
        return config.img_height, config.img_width
    if config.resize == "fit":
        scale = min(config.img_height / height, config.img_width / width)
        return (max(1, min(config.img_height, int(height * scale + 0.5))), max(1, min(config.img_width, int(width * scale + 0.5))))
    scale = min(config.resize_short / min(height, width), config.resize_long / max(height, width))
    new_height, new_width = max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
    if new_height > config.img_height or new_width > config.img_width:
        side = -(-config.resize_long // 32) * 32
        raise ConfigError(f"resize=short_side makes a picture of {width}x{height} {new_width}x{new_height}, which does not fit "
                          f"img_width={config.img_width} img_height={config.img_height}; write img_width={side} img_height={side}")
    return new_height, new_width


def place_plainly(height, width, config):
    """The Placement of a picture in evaluation: resized into the canvas's top-left corner."""
    new_height, new_width = resized_size(height, width, config)
    return Placement(height, width, new_height, new_width, 0, 0, new_height, new_width)


def place_randomly(height, width, config, generator):
    """The Placement of a picture in training: flipped with probability flip_ratio, expanded as expand_ratio says.

    generator: numpy Generator, from which six numbers are drawn in all cases, so that one setting does not change another's draws.
    """
    flip, draw, half, ratio, across, down = generator.random(6)
    flip = bool(flip < config.flip_ratio)
    ratio = 1 + (_EXPAND_LIMIT - 1) * ratio if draw < config.expand_ratio and half < 0.5 else 1.0
    filled_height, filled_width = resized_size(height * ratio, width * ratio, config)
    new_height, new_width = max(1, int(filled_height / ratio + 0.5)), max(1, int(filled_width / ratio + 0.5))
    top, left = int(down * (filled_height - new_height + 1)), int(across * (filled_width - new_width + 1))
    return Placement(height, width, new_height, new_width, top, left, filled_height, filled_width, flip)


def place_picture(picture, placement, config, out=None):
    """Draw a picture uint8 [h, w, 3] onto the canvas uint8 [img_height, img_width, 3] and return it.

    Half-pixel-correct bilinear resizing; an expansion is filled with the mean, padding as `padding` says. out: a canvas to write into.
    """
    canvas = np.empty((config.img_height, config.img_width, 3), np.uint8) if out is None else out
    p = placement
    mean = np.round(config.img_mean if config.channel_order == "RGB" else config.img_mean[::-1]).astype(np.uint8)
    around = mean if config.padding == "mean" else np.zeros(3, np.uint8)
    # whole rows at a time: three bytes at a time is ten times slower
    rows = canvas.reshape(len(canvas), -1)
    rows[p.filled_height:] = np.tile(around, config.img_width)
    rows[:p.filled_height, 3 * p.filled_width:] = np.tile(around, config.img_width - p.filled_width)
    if (p.height, p.width) != (p.filled_height, p.filled_width):
        rows[:p.filled_height, :3 * p.filled_width] = np.tile(mean, p.filled_width)
    if p.flip:
        picture = cv2.flip(picture, 1)
    part = canvas[p.top:p.top + p.height, p.left:p.left + p.width]
    if picture.shape == part.shape:
        part[:] = picture
    else:
        cv2.resize(picture, (p.width, p.height), dst=part, interpolation=cv2.INTER_LINEAR)
    return canvas


def flip_boxes(boxes, width):
    """Boxes [n, 4] x1, y1, x2, y2 mirrored left to right in a picture `width` pixels wide."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


def place_boxes(boxes, placement):
    """float32 [n, 4] canvas boxes of a picture's boxes [n, 4] (x1, y1, x2, y2, in its pixels)."""
    p = placement
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if p.flip:
        boxes = flip_boxes(boxes, p.source_width)
    scale = np.array([p.width / p.source_width, p.height / p.source_height] * 2)
    boxes = boxes * scale + (p.left, p.top, p.left, p.top)
    return np.clip(boxes, 0, [p.filled_width, p.filled_height] * 2).astype(np.float32)
