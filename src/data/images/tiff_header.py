"""The kind of pixels that a TIFF file says it has, for messages about files that Pillow cannot open."""

from __future__ import annotations

import struct
from typing import Dict, Optional, Tuple

_ORDERS = {b"II": "<", b"MM": ">"}
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # TIFF 6.0, page 15, and BigTIFF: the types of whole numbers
# tags of the TIFF 6.0 specification
_BITS = 258
_COMPRESSION = 259
_CHANNELS = 277
_FORMAT = 339
_FORMAT_NAMES = {2: " signed", 3: " floating-point", 5: " complex", 6: " complex"}
_SUPPORTED = (
    "supported are grey (1 channel), RGB (3), RGBA and CMYK (4) of 8 or 16 bits; save it as 8-bit RGB"
)


def unsupported_tiff(data: bytes) -> Optional[str]:
    """What a TIFF file holds that is not supported, in words; None if its header cannot be read.

    Args:
        data: the bytes of a file that cannot be decoded.
    """
    try:
        tags = _first_tags(data)
    except (struct.error, KeyError):
        return None
    channels = tags.get(_CHANNELS, (1,))[0]
    bits = tags.get(_BITS, (1,))[0]
    form = _FORMAT_NAMES.get(tags.get(_FORMAT, (1,))[0], "")
    pixels = f"{channels} channel{'s' * (channels != 1)} of {bits}{form} bits"
    if channels not in (1, 3, 4) or bits not in (1, 2, 4, 8, 16) or form:
        return f"a TIFF with {pixels}; {_SUPPORTED}"
    compression = tags.get(_COMPRESSION, (1,))[0]
    return f"a TIFF of an unsupported form ({pixels}, compression {compression}); {_SUPPORTED}"


def _first_tags(data) -> Dict[int, Tuple[int, ...]]:
    """{tag: values} of the whole-number tags of the first picture. Raises struct.error, KeyError."""
    order = _ORDERS[data[:2]]
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    offset = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)[0]
    count_form = order + ("Q" if is_big else "H")
    number = struct.unpack_from(count_form, data, offset)[0]
    offset += struct.calcsize(count_form)
    entry_form = order + ("HHQ" if is_big else "HHI")
    value_form = order + ("Q" if is_big else "I")
    value_size = struct.calcsize(value_form)
    entry_size = struct.calcsize(entry_form) + value_size
    tags = {}
    # a tag is named once, so a file with more than all 65,536 is broken
    for start in range(offset, offset + min(number, 65536) * entry_size, entry_size):
        tag, kind, count = struct.unpack_from(entry_form, data, start)
        if tag not in (_BITS, _COMPRESSION, _CHANNELS, _FORMAT):
            continue
        letters = f"{order}{count}{_TYPES[kind]}" if 0 < count < 65536 else ""
        where = start + struct.calcsize(entry_form)
        if struct.calcsize(letters) > value_size:
            where = struct.unpack_from(value_form, data, where)[0]
        tags[tag] = struct.unpack_from(letters, data, where) or (1,)
    return tags
