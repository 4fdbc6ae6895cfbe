"""PNG and TIFF files of any number of channels and any type of values, written byte by byte."""

from __future__ import annotations

import struct
import zlib

import numpy as np

PNG_COLOURS = {1: 0, 3: 2, 2: 4, 4: 6}  # colour type by the number of channels (PNG specification, 11.2.2)


def png_chunk(name, content):
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_16bit(values, before=b""):
    """A PNG of uint16 [H, W, channels]; before: chunks ahead of the pixels."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), before, png_chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def tiff(values, order="<", photometric=None, extra=(), orientation=1):
    """A TIFF of an array [H, W, channels] in one strip.

    Args:
        order: of the bytes, as struct has it.
        photometric: 1 grey, 2 RGB, 5 CMYK; by the number of channels by default.
        extra: the kinds of the extra channels: 0 not said, 1 and 2 alpha.
    """
    height, width, channels = values.shape
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    # (tag, values); types are SHORT, and LONG for the strip
    tags = [
        (256, [width]),
        (257, [height]),
        (258, [values.dtype.itemsize * 8] * channels),
        (259, [1]),
        (262, [photometric or (2 if channels >= 3 else 1)]),
        (273, None),
        (274, [orientation]),
        (277, [channels]),
        (278, [height]),
        (279, [len(pixels)]),
        (284, [1]),
        *([(338, list(extra))] if extra else []),
        (339, [form] * channels),
    ]
    after = 8 + 2 + 12 * len(tags) + 4
    long_values = b""
    entries = b""
    strip = after + sum(2 * len(one) for _, one in tags if one and len(one) > 2)
    for tag, one in tags:
        letter = "I" if tag in (273, 279) else "H"
        content = struct.pack(f"{order}{len(one or [0])}{letter}", *(one or [strip]))
        if len(content) > 4:
            position = after + len(long_values)
            long_values += content
            content = struct.pack(order + "I", position)
        entries += struct.pack(
            order + "HHI", tag, 4 if letter == "I" else 3, len(one or [0])
        ) + content.ljust(4, b"\0")
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(tags))
    return start + entries + struct.pack(order + "I", 0) + long_values + pixels


def random_values(channels, largest, dtype=np.uint16, size=(6, 8)):
    """[H, W, channels] of values up to `largest`, which occurs; full alpha after grey or RGB."""
    values = np.random.default_rng(channels).integers(0, largest, (*size, channels))
    values[0, 0, 0] = largest
    if channels in (2, 4):
        values[..., -1] = np.iinfo(dtype).max
    return values.astype(dtype)
