"""The checks of picture files: there, whole, of the annotated size; and unusual pixels."""

from __future__ import annotations

import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from ...errors import DataError
from ..finding_kinds import PICTURE_KINDS
from ..findings import one_line
from .decode import decode_picture, picture_size

# the first bytes of forms that Pillow knows: a file that starts so but cannot be opened is a picture that is
# cut off
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_MODES = {
    "1": "picture_grey",
    "L": "picture_grey",
    "LA": "picture_grey",
    "I": "picture_16bit",
    "I;16": "picture_16bit",
    "I;16B": "picture_16bit",
    "I;16L": "picture_16bit",
    "I;16N": "picture_16bit",
    "CMYK": "picture_cmyk",
    "P": "picture_palette",
    "PA": "picture_palette",
}
_ALPHA = ("LA", "PA", "RGBA", "RGBa", "La")
_MOVING = ("GIF", "PNG", "WEBP")
_LONGEST = 1 << 30  # bytes of a picture file
_PIECE = 1024  # pictures in flight at most


def check_picture(path, size=None, decode=True):
    """What is found about a picture file: a list of (kind, detail).

    At most one kind is of PICTURE_KINDS, and then it comes last.

    size: the annotated (height, width) in pixels; decode: all of its pixels, else only its header and whether
        it ends as it should.
    """
    found = []
    try:
        length = os.stat(path).st_size
        if length == 0:
            return [("picture_empty", "")]
        if length > _LONGEST:
            return [("picture_unreadable", f"{length / 1e9:.1f} GB, which no picture here may have")]
        with open(path, "rb") as file:
            start = file.read(16)
            file.seek(-min(length, 64), os.SEEK_END)
            end = file.read()
            file.seek(0)
            data = file.read() if decode else None
    except (FileNotFoundError, NotADirectoryError):
        return [("picture_missing", "")]
    except (OSError, ValueError) as error:
        return [("picture_unreadable", getattr(error, "strerror", None) or str(error))]
    try:
        image = Image.open(BytesIO(data) if decode else path)
        with image:
            found += _unusual(image)
            found += _size_findings(image, data or path, path, size)
            if not any(kind == "picture_size" for kind, _ in found) and (
                decode or not _ends_well(image, end)
            ):
                _decode(image, data, path, size)
    except Image.DecompressionBombError as error:
        found.append(("picture_bomb", _reason(error)))
    except UnidentifiedImageError:
        found.append(
            ("picture_truncated", "its header is cut off")
            if start.startswith(_STARTS)
            else ("picture_not", "")
        )
    except DataError as error:
        found.append((_kind_of(str(error)), one_line(str(error).split(": ", 1)[-1])))
    except Exception as error:  # Pillow's parsers raise a dozen types on broken files
        found.append((_kind_of(str(error)), _reason(error)))
    return found


def _kind_of(reason):
    cut = any(word in reason.lower() for word in ("truncated", "cut off", "end of file", "unexpected eof"))
    return "picture_truncated" if cut else "picture_unreadable"


def _reason(error):
    return one_line(" ".join(str(error).split())[:120].rstrip(".") or type(error).__name__)


def _unusual(image):
    """What training turns into plain RGB."""
    if image.mode in _MODES:
        yield _MODES[image.mode], image.mode
    if image.mode in _ALPHA or "transparency" in image.info:
        yield "picture_alpha", image.mode
    if image.format in _MOVING and getattr(image, "is_animated", False):
        yield "picture_animated", f"{image.n_frames} frames"


def _size_findings(image, source, path, size):
    width, height = image.size
    displayed = (
        picture_size(source, path)
        if "exif" in image.info or "xmp" in image.info or image.format == "TIFF"
        else (height, width)
    )
    if size is None or tuple(size) == displayed:
        turned = displayed != (height, width) or _orientation(image) != 1
        return [("picture_turned", f"stored {width}x{height}")] if turned else []
    if tuple(size) == (height, width):
        return [("picture_stored", f"{width}x{height}")]
    return [
        (
            "picture_size",
            f"it is {displayed[1]}x{displayed[0]} (width x height), its annotations say {size[1]}x{size[0]}",
        )
    ]


def _orientation(image):
    try:
        return image.getexif().get(274, 1) if "exif" in image.info else 1
    except Exception:  # as in transforms.py, a broken EXIF block does not make the pixels unreadable
        return 1


def _ends_well(image, end):
    """Whether a picture's last 64 bytes are those of a whole file.

    Where a form has no end marker, it is taken to be whole.
    """
    return (
        end.rstrip(b"\0").endswith(b"\xff\xd9")
        if image.format == "JPEG"
        else image.format != "PNG" or b"IEND" in end
    )


def _decode(image, data, path, size):
    """Decode all of a picture's data; raises where training could not."""
    if image.format == "JPEG":
        # an eighth of the size: the whole stream is read, but few pixels are computed
        image.draft(image.mode, (1, 1))
    form, mode = image.format, image.mode
    # Pillow finds a stream broken where OpenCV returns what it could make of it
    image.load()
    if form not in ("JPEG", "PNG") or mode not in ("L", "RGB"):
        decode_picture(data if data is not None else Path(path).read_bytes(), path, size)


def check_pictures(records, findings, folder, decode=True, threads=2, quiet=False):
    """Add what is found about the records' pictures to `findings`.

    Returns the set of image ids that cannot be used.

    folder: links out of it are named; decode: as in `check_picture`.
    """
    unusable, root, inside = set(), os.path.realpath(folder), {}

    def check(record):
        return check_picture(record.path, (record.height, record.width), decode)

    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(threads, "picture-checks") as executor,
        tqdm(
            total=len(records),
            desc="checking pictures",
            unit="picture",
            file=sys.stderr,
            disable=True if quiet else None,
        ) as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd EXIF
        for first in range(0, len(records), _PIECE):
            part = records[first : first + _PIECE]
            for record, items in zip(part, executor.map(check, part)):
                if _leads_out_by_link(record.path, root, inside):
                    findings.add(
                        "image_link", record.location, record.image_id, detail=os.path.realpath(record.path)
                    )
                for kind, detail in items:
                    findings.add(
                        kind,
                        record.location,
                        record.image_id,
                        detail=picture_detail(record.path, kind, detail, record.image_id),
                    )
                if items and items[-1][0] in PICTURE_KINDS:
                    unusable.add(record.image_id)
                bar.update()
    return unusable


def picture_detail(path, kind, detail, image_id):
    """What a finding says about a picture file."""
    said = detail or _PLAIN.get(kind, "")
    return f"picture {path} of image {image_id}" + (f": {said}" if said else "")


_PLAIN = {
    "picture_missing": "No such file",
    "picture_empty": "the file has no bytes",
    "picture_not": "not a picture that can be read",
}


def _leads_out_by_link(path, root, inside):
    """Whether a link takes a path out of the folder `root` (resolved); inside: answers for folders so far."""
    parent = os.path.dirname(path)
    if parent not in inside:
        inside[parent] = _within(os.path.realpath(parent), root)
    return not inside[parent] or (os.path.islink(path) and not _within(os.path.realpath(path), root))


def _within(path, root):
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
