"""Label pictures whose pixels are numbers: which object, or which class, a pixel belongs to."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Collection, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from ..findings import Findings
from .items import PartMask
from .label_files import read_bytes

_MAX_PIXELS = 2**28
_NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B")

Colour = Tuple[int, int, int]


class IdImage(NamedTuple):
    """A label picture.

    Attributes:
        values: int [h, w]; of a colour picture red << 16 | green << 8 | blue.
        colours: {value: its colour}; empty for a grey picture.
        is_coloured: whether the values are colours instead of numbers.
    """

    values: np.ndarray
    colours: Dict[int, Colour]
    is_coloured: bool


class ValuePart(NamedTuple):
    """The pixels of one value."""

    value: int
    mask: PartMask


def colour_code(colour: Colour) -> int:
    """The value of a colour picture's pixel."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def read_id_image(path: Path, place: str, findings: Findings) -> Optional[IdImage]:
    """A label picture; None, with a finding, for what cannot be read."""
    data = read_bytes(path, place, findings)
    if data is None:
        return None
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels, more than are safe to decode")
            return _values(image)
    except Exception as error:  # Pillow raises nearly anything for broken files
        detail = f"not a picture that can be read: {' '.join(str(error).split())[:100]}"
        findings.add("label_file_syntax", place, detail=detail)
        return None


def _values(image):
    if image.mode in _NUMBERS:
        values = np.asarray(image)
        values = values.astype(np.uint8) if image.mode == "1" else values
        colours = {}
        if image.mode == "P":
            palette = image.getpalette("RGB") or []
            colours = {i // 3: tuple(palette[i : i + 3]) for i in range(0, len(palette) - 2, 3)}
        return IdImage(values, colours, False)
    rgb = np.asarray(image.convert("RGB")).astype(np.int32)
    values = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    found = np.unique(values).tolist()
    colours = {value: (value >> 16, value >> 8 & 255, value & 255) for value in found}
    return IdImage(values, colours, True)


def value_parts(values: np.ndarray, ignored: Collection[int] = (0,)) -> List[ValuePart]:
    """The pixels of each value in order of the values.

    Args:
        values: int [h, w].
        ignored: values that stand for nothing.
    """
    width = values.shape[1]
    flat = values.ravel()
    is_meant = np.ones(len(flat), bool)
    for value in ignored:
        is_meant &= flat != value
    positions = np.flatnonzero(is_meant)
    order = np.argsort(flat[positions], kind="stable")
    positions = positions[order]
    found = flat[positions]
    bounds = np.flatnonzero(np.diff(found)) + 1
    parts = []
    for chunk in np.split(positions, bounds) if len(positions) else ():
        rows = chunk // width
        columns = chunk % width
        top = int(rows[0])
        left = int(columns.min())
        pixels = np.zeros((int(rows[-1]) - top + 1, int(columns.max()) - left + 1), bool)
        pixels[rows - top, columns - left] = True
        parts.append(ValuePart(int(flat[chunk[0]]), PartMask(left, top, pixels)))
    return parts
