"""The check of one picture file: there, whole, of the annotated size; and unusual pixels."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Iterator, List, NamedTuple, Optional, Tuple, Union

from PIL import Image, UnidentifiedImageError

from ...errors import DataError, one_line
from .decode import EXIF_ORIENTATION, decode_picture, has_end_marker, has_supported_pixels, picture_size
from .sixteen_bits import dropped_channels, is_sixteen_bit, sixteen_bit_values, used_bits_text
from .tiff_header import unsupported_tiff

# The first bytes of formats that Pillow knows. A file that starts so but cannot be opened is cut off.
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_MODES = {
    "1": "picture_grey",
    "L": "picture_grey",
    "LA": "picture_grey",
    "CMYK": "picture_cmyk",
    "P": "picture_palette",
    "PA": "picture_palette",
}
_ALPHA = ("LA", "PA", "RGBA", "RGBa", "La")
_ANIMATED = ("GIF", "PNG", "WEBP")
_MAX_BYTES = 1 << 30  # of a picture file
# What is said where there is no other detail.
_DETAILS = {
    "picture_missing": "No such file",
    "picture_empty": "the file has no bytes",
    "picture_not": "not a picture that can be read",
}


class PictureFinding(NamedTuple):
    """One finding about a picture file.

    Attributes:
        kind: a key of KINDS.
        detail: what is special about this one; may be empty.
    """

    kind: str
    detail: str


class FileContent(NamedTuple):
    """What was read of a file.

    Attributes:
        length: of the file in bytes.
        start: its first 16 bytes.
        end: its last 64 bytes.
        data: all of it; None if only start and end were read.
    """

    length: int
    start: bytes = b""
    end: bytes = b""
    data: Optional[bytes] = None


def check_picture(
    path: Union[str, Path], size: Optional[Tuple[int, int]] = None, decode: bool = True
) -> List[PictureFinding]:
    """The findings about a picture file.

    Args:
        path: of the file.
        size: the annotated (height, width) in pixels; None if there is none.
        decode: decode all of its pixels. Without it, only its header and its last bytes are read.

    Returns:
        At most one finding is of PICTURE_KINDS, and then it comes last.
    """
    try:
        length = os.stat(path).st_size
        if length == 0:
            return [PictureFinding("picture_empty", "")]
        if length > _MAX_BYTES:
            detail = f"{length / 1e9:.1f} GB, which no picture here may have"
            return [PictureFinding("picture_unreadable", detail)]
        # Opened once, for its two ends and for its header.
        with open(path, "rb") as file:
            content = _read_content(file, length, whole=decode)
            return _check_content(content, file, path, size)
    except (FileNotFoundError, NotADirectoryError):
        return [PictureFinding("picture_missing", "")]
    except (OSError, ValueError) as error:
        return [PictureFinding("picture_unreadable", getattr(error, "strerror", None) or str(error))]


def _read_content(file: BinaryIO, length: int, whole: bool) -> FileContent:
    """Read a file of `length` bytes, or (without `whole`) its start and end."""
    start = file.read(16)
    file.seek(-min(length, 64), os.SEEK_END)
    end = file.read()
    file.seek(0)
    data = file.read() if whole else None
    return FileContent(length, start, end, data)


def _check_content(
    content: FileContent, file: BinaryIO, path: Union[str, Path], size: Optional[Tuple[int, int]]
) -> List[PictureFinding]:
    """The findings about a file that could be read; path, size: as of `check_picture`."""
    findings = []
    try:
        with Image.open(file if content.data is None else BytesIO(content.data)) as image:
            # where reading fails halfway, the findings so far are kept
            findings.extend(_mode_findings(image))
            findings.extend(_size_findings(image, content.data or path, path, size))
            has_size = all(finding.kind != "picture_size" for finding in findings)
            is_decoded = content.data is not None or not _ends_well(image, content.end)
            if has_size and (is_decoded or not has_supported_pixels(image)):
                has_used_bits = is_sixteen_bit(image)
                _decode(image, content.data, path, size)
                if has_used_bits:
                    findings = _with_used_bits(findings, content.data, path)
    except Image.DecompressionBombError as error:
        findings.append(PictureFinding("picture_bomb", _reason(error)))
    except UnidentifiedImageError:
        findings.append(_unidentified(content.start, path))
    except DataError as error:
        # without the picture's name, which `picture_detail` says
        reason = one_line(str(error).split(": ", 1)[-1])
        findings.append(PictureFinding(_kind_of(str(error)), reason))
    except Exception as error:
        # Pillow's parsers raise a dozen types on broken files
        findings.append(PictureFinding(_kind_of(str(error)), _reason(error)))
    return findings


def _unidentified(start: bytes, path: Union[str, Path]) -> PictureFinding:
    """The finding about a file that Pillow cannot open; start: its first bytes."""
    if start.startswith((b"II", b"MM")):
        unsupported = unsupported_tiff(Path(path).read_bytes())
        if unsupported:
            return PictureFinding("picture_unreadable", unsupported)
    if start.startswith(_STARTS):
        return PictureFinding("picture_truncated", "its header is cut off")
    return PictureFinding("picture_not", "")


def _with_used_bits(
    findings: List[PictureFinding], data: Optional[bytes], path: Union[str, Path]
) -> List[PictureFinding]:
    """The findings of a whole 16-bit picture, with the bits that it uses in their detail."""
    data = Path(path).read_bytes() if data is None else data
    detail = used_bits_text(sixteen_bit_values(Image.open(BytesIO(data)), data))
    return [one._replace(detail=detail) if one.kind == "picture_16bit" else one for one in findings]


def _kind_of(reason: str) -> str:
    """The kind of a picture that cannot be decoded, from a decoder's message."""
    words = ("truncated", "cut off", "end of file", "unexpected eof")
    is_cut_off = any(word in reason.lower() for word in words)
    return "picture_truncated" if is_cut_off else "picture_unreadable"


def _reason(error: Exception) -> str:
    """An error's message on one line of at most 120 characters, or its type."""
    return one_line(" ".join(str(error).split())[:120].rstrip(".") or type(error).__name__)


def _mode_findings(image: Image.Image) -> Iterator[PictureFinding]:
    """What training turns into plain RGB."""
    if image.format == "JPEG" and image.mode == "RGB":
        return  # most pictures: nothing of what follows
    if is_sixteen_bit(image):
        yield PictureFinding("picture_16bit", image.mode)
    elif image.mode in _MODES:
        yield PictureFinding(_MODES[image.mode], image.mode)
    if dropped_channels(image):
        yield PictureFinding("picture_channels", f"{dropped_channels(image)} channels")
    if image.mode in _ALPHA or "transparency" in image.info:
        yield PictureFinding("picture_alpha", image.mode)
    if image.format in _ANIMATED and getattr(image, "is_animated", False):
        yield PictureFinding("picture_animated", f"{image.n_frames} frames")


def _size_findings(
    image: Image.Image,
    source: Union[bytes, str, Path],
    path: Union[str, Path],
    size: Optional[Tuple[int, int]],
) -> List[PictureFinding]:
    """Findings about a picture's size and its EXIF orientation.

    Args:
        image: the opened picture.
        source: the file's bytes, or its path.
        path: of the file.
        size: the annotated (height, width); None if there is none.
    """
    width, height = image.size
    displayed = (height, width)
    if "exif" in image.info or "xmp" in image.info or image.format == "TIFF":
        displayed = picture_size(source, path)
    if size is None or tuple(size) == displayed:
        if displayed != (height, width) or _stored_orientation(image) != 1:
            return [PictureFinding("picture_turned", f"stored {width}x{height}")]
        return []
    if tuple(size) == (height, width):
        return [PictureFinding("picture_stored", f"{width}x{height}")]
    detail = f"it is {displayed[1]}x{displayed[0]} (width x height), its annotations say {size[1]}x{size[0]}"
    return [PictureFinding("picture_size", detail)]


def _stored_orientation(image: Image.Image) -> Any:
    """The value of a picture's EXIF orientation, 1 where it has none."""
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1) if "exif" in image.info else 1
    except Exception:
        # as in decode.py, a broken EXIF block does not make the pixels unreadable
        return 1


def _ends_well(image: Image.Image, end: bytes) -> bool:
    """Whether a picture's last 64 bytes are those of a whole file.

    A format without an end marker is taken to be whole.
    """
    return image.format not in ("JPEG", "PNG") or has_end_marker(end, image.format)


def _decode(
    image: Image.Image, data: Optional[bytes], path: Union[str, Path], size: Optional[Tuple[int, int]]
) -> None:
    """Decode all of a picture's data; raises where training could not."""
    if image.format == "JPEG":
        # an eighth of the size: the whole stream is read, but few pixels are computed
        image.draft(image.mode, (1, 1))
    # loading the image changes them
    is_deep = is_sixteen_bit(image)
    image_format = image.format
    mode = image.mode
    # Pillow finds a stream broken where OpenCV returns what it could make of it
    image.load()
    is_plain = image_format in ("JPEG", "PNG") and mode in ("L", "RGB") and not is_deep
    if not is_plain:
        decode_picture(data if data is not None else Path(path).read_bytes(), path, size)


def picture_detail(path: Union[str, Path], kind: str, detail: str, image_id: int) -> str:
    """What the finding of a picture file says: its path, its image id, and the detail."""
    text = f"picture {path} of image {image_id}"
    detail = detail or _DETAILS.get(kind, "")
    return f"{text}: {detail}" if detail else text
