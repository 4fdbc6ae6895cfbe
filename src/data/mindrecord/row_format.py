"""One stored row: how its objects and its picture are packed into bytes, and unpacked.

Each row has the fields image_id, picture (the file's bytes) and annotation (`pack_objects`). MindSpore's own
readers read them as well.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, List, NamedTuple, Union

import numpy as np

# An entry of the row index: the shard's number, where in it the row's bytes are and their crc32,
# the picture's displayed size in pixels, and the number of its stored objects.
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

# Bytes of a row besides its annotation and its picture: three lengths of 8 bytes.
ROW_EXTRA = 24

# An annotation's head, see _Head.
_HEAD = struct.Struct("<5i")
# left, top, height and width of the crop that an RLE describes.
_CROP = struct.Struct("<4i")


@dataclass
class StoredObjects:
    """A row's annotation: its picture's file and size, and n objects.

    Attributes:
        name: the picture's file.
        height, width: pixels of the displayed picture.
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels.
        labels: int32 [n].
        segmentations: n items, each one of a list of polygons (flat float32 arrays),
            an RLE dict with an "origin" (see `crop.crop_rle`), or None.
    """

    name: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    segmentations: List[Any]


class RowRange(NamedTuple):
    """Consecutive rows: the first, and the one after the last."""

    first: int
    end: int


class RowHead(NamedTuple):
    """The bytes of a row that hold its lengths.

    Attributes:
        before_annotation: the length of all that follows, and the annotation's.
        before_picture: the picture's length.
    """

    before_annotation: bytes
    before_picture: bytes


class RowFields(NamedTuple):
    """The two fields of a row's bytes, not copied."""

    annotation: memoryview
    picture: memoryview


class _Head(NamedTuple):
    """The five numbers that an annotation begins with.

    Attributes:
        objects: the number of objects.
        height, width: of the picture in pixels.
        parts: the number of polygons and RLEs of all objects.
        name_size: bytes of the name.
    """

    objects: int
    height: int
    width: int
    parts: int
    name_size: int


def pack_objects(objects: StoredObjects) -> bytes:
    """`StoredObjects` as bytes: little-endian, polygons as float32, RLE as COCO's compressed text.

    They are a head (`_Head`), boxes, labels, the number of parts (polygons, or one RLE) of each object, the
    size of each part in bytes (negative for an RLE), the name, and the parts.
    """
    counts = []
    sizes = []
    parts = []
    for segmentation in objects.segmentations:
        if isinstance(segmentation, dict):
            rle = _pack_rle(segmentation)
            counts.append(1)
            sizes.append(-len(rle))
            parts.append(rle)
        else:
            polygons = [np.asarray(polygon, "<f4").tobytes() for polygon in segmentation or ()]
            counts.append(len(polygons))
            sizes += [len(polygon) for polygon in polygons]
            parts += polygons
    name = objects.name.encode("utf-8", "surrogateescape")
    head = _Head(len(objects.labels), objects.height, objects.width, len(sizes), len(name))
    return b"".join(
        [
            _HEAD.pack(*head),
            np.asarray(objects.boxes, "<f4").tobytes(),
            np.asarray(objects.labels, "<i4").tobytes(),
            np.array(counts, "<i4").tobytes(),
            np.array(sizes, "<i4").tobytes(),
            name,
            *parts,
        ]
    )


def _pack_rle(rle: dict) -> bytes:
    return _CROP.pack(*rle["origin"], *rle["size"]) + rle["counts"].encode("ascii")


class _ByteReader:
    """Reads bytes from front to back. Its arrays are views of the bytes."""

    def __init__(self, data: Union[bytes, memoryview], position: int):
        self.data = data
        self.position = position

    def next_array(self, dtype: str, count: int) -> np.ndarray:
        """The next `count` numbers; both dtypes of the format have 4 bytes."""
        values = np.frombuffer(self.data, dtype, count, self.position)
        self.position += 4 * count
        return values

    def next_bytes(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self.position
        self.position += size
        return bytes(self.data[start : self.position])


def unpack_objects(data: Union[bytes, memoryview]) -> StoredObjects:
    """The `StoredObjects` that `pack_objects` made bytes of."""
    head = _Head(*_HEAD.unpack_from(data))
    reader = _ByteReader(data, _HEAD.size)
    boxes = reader.next_array("<f4", 4 * head.objects).reshape(head.objects, 4)
    labels = reader.next_array("<i4", head.objects)
    counts = reader.next_array("<i4", head.objects).tolist()
    sizes = reader.next_array("<i4", head.parts).tolist()
    name = reader.next_bytes(head.name_size).decode("utf-8", "surrogateescape")
    parts = [
        _unpack_rle(reader.next_bytes(-size)) if size < 0 else reader.next_array("<f4", size // 4)
        for size in sizes
    ]
    segmentations = []
    first = 0
    for count in counts:
        segmentations.append(_segmentation(parts[first : first + count]))
        first += count
    return StoredObjects(name, head.height, head.width, boxes, labels, segmentations)


def _unpack_rle(data: bytes) -> dict:
    left, top, height, width = _CROP.unpack_from(data)
    return {"origin": [left, top], "size": [height, width], "counts": data[_CROP.size :]}


def _segmentation(parts: List[Any]) -> Any:
    """One object's segmentation of its parts: None, an RLE, or a list of polygons."""
    if not parts:
        return None
    return parts[0] if isinstance(parts[0], dict) else parts


def row_head(annotation_size: int, picture_size: int) -> RowHead:
    """The lengths in a row of an annotation and a picture of these sizes in bytes."""
    length = struct.pack("<Q", 16 + annotation_size + picture_size)
    return RowHead(length + struct.pack(">Q", annotation_size), struct.pack(">Q", picture_size))


def row_bytes(annotation: bytes, picture: bytes) -> bytes:
    """A row's bytes as MindRecord lays them out.

    They are the length of all that follows, then each bytes field, in the order of their names, after its own
    length (big-endian).
    """
    head = row_head(len(annotation), len(picture))
    return b"".join([head.before_annotation, annotation, head.before_picture, picture])


def split_row(data: bytes) -> RowFields:
    """The fields of the bytes that `row_bytes` made."""
    view = memoryview(data)
    (length,) = struct.unpack_from(">Q", view, 8)
    return RowFields(view[16 : 16 + length], view[ROW_EXTRA + length :])
