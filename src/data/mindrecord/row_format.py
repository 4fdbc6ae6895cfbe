"""One stored row: how its objects and its picture are packed into bytes, and unpacked.

Each row has the fields image_id, picture (the file's bytes) and annotation (`pack_objects`). MindSpore's own
readers read them as well.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, List

import numpy as np

ROW_TYPE = np.dtype(
    [
        ("shard", "<i4"),
        ("offset", "<i8"),
        ("size", "<i8"),
        ("crc", "<u4"),
        ("image_id", "<i8"),
        ("height", "<i4"),
        ("width", "<i4"),
        ("objects", "<i4"),
    ]
)


ROW_EXTRA = 24  # bytes of a row besides its two fields


_HEAD = struct.Struct("<5i")  # objects, height, width, parts of all segmentations, bytes of the name


_CROP = struct.Struct("<4i")  # left, top, height, width of an RLE's crop


@dataclass
class StoredObjects:
    """A row's annotation: the picture's file name, its displayed height and width in pixels, and n objects.

    boxes: float32 [n, 4] x1, y1, x2, y2 in pixels; labels: int32 [n]; segmentations: n lists of polygons
        (flat float32 arrays), RLE dicts with an "origin" (see `crop_rle`), or None.
    """

    name: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    segmentations: List[Any]


def pack_objects(objects):
    """`StoredObjects` as bytes: little-endian, polygons as float32, RLE as COCO's compressed text."""
    counts, sizes, parts = [], [], []
    for segmentation in objects.segmentations:
        if isinstance(segmentation, dict):
            packed = [
                _CROP.pack(*segmentation["origin"], *segmentation["size"])
                + segmentation["counts"].encode("ascii")
            ]
            sizes.append(-len(packed[0]))  # a negative size marks an RLE
        else:
            packed = [np.asarray(polygon, "<f4").tobytes() for polygon in segmentation or ()]
            sizes += [len(part) for part in packed]
        counts.append(len(packed))
        parts += packed
    name = objects.name.encode("utf-8", "surrogateescape")
    return b"".join(
        [
            _HEAD.pack(len(objects.labels), objects.height, objects.width, len(sizes), len(name)),
            np.asarray(objects.boxes, "<f4").tobytes(),
            np.asarray(objects.labels, "<i4").tobytes(),
            np.array(counts, "<i4").tobytes(),
            np.array(sizes, "<i4").tobytes(),
            name,
            *parts,
        ]
    )


def unpack_objects(data):
    """The `StoredObjects` that `pack_objects` made bytes of."""
    count, height, width, parts, name_size = _HEAD.unpack_from(data)
    at = _HEAD.size

    def numbers(kind, length):
        nonlocal at
        values = np.frombuffer(data, kind, length, at)
        at += 4 * length
        return values

    boxes, labels = numbers("<f4", 4 * count).reshape(count, 4), numbers("<i4", count)
    counts, sizes = numbers("<i4", count), numbers("<i4", parts).tolist()
    name = bytes(data[at : at + name_size]).decode("utf-8", "surrogateescape")
    at += name_size
    pieces = []
    for size in sizes:
        if size < 0:
            left, top, crop_height, crop_width = _CROP.unpack_from(data, at)
            pieces.append(
                {
                    "origin": [left, top],
                    "size": [crop_height, crop_width],
                    "counts": bytes(data[at + _CROP.size : at - size]),
                }
            )
        else:
            pieces.append(np.frombuffer(data, "<f4", size // 4, at))
        at += abs(size)
    segmentations, first = [], 0
    for number in counts.tolist():
        own = pieces[first : first + number]
        first += number
        segmentations.append(None if not own else own[0] if isinstance(own[0], dict) else own)
    return StoredObjects(name, height, width, boxes, labels, segmentations)


def row_head(annotation_size, picture_size):
    """What MindRecord puts before a row's annotation, and between annotation and picture: their lengths
    together, and each one's.
    """
    return struct.pack("<Q", 16 + annotation_size + picture_size) + struct.pack(
        ">Q", annotation_size
    ), struct.pack(">Q", picture_size)


def row_bytes(annotation, picture):
    """A row's bytes as MindRecord lays them out: all their length, then each bytes field, by name, after its
    own length (big-endian).
    """
    head, middle = row_head(len(annotation), len(picture))
    return b"".join([head, annotation, middle, picture])


def split_row(data):
    """(annotation, picture) as memoryviews of a row's bytes."""
    view = memoryview(data)
    (length,) = struct.unpack_from(">Q", view, 8)
    return view[16 : 16 + length], view[ROW_EXTRA + length :]
