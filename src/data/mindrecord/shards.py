"""MindRecord shards as this project writes and reads them: the row's layout, the manifest, and random access without MindSpore.

Each shard is a plain MindRecord file with the fields image_id, picture (the file's bytes) and annotation (`pack_objects`), which
MindSpore's own readers read as well. `rows.npy` beside it says where each row's bytes lie, so that a worker process gets any row
with one `pread`, checks it against its checksum, and need not load MindSpore (a fork of a process that runs MindSpore may hang,
and a fresh one takes seconds and hundreds of megabytes to load it). `labels.npy` holds all objects' labels, row after row.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ...errors import DataError

FORMAT = 2  # of rows and manifest; another number is another data set
MANIFEST, ROWS, LABELS = "manifest.json", "rows.npy", "labels.npy"
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
class Objects:
    """A row's annotation: the picture's file name, its displayed height and width in pixels, and n objects.

    boxes: float32 [n, 4] x1, y1, x2, y2 in pixels; labels: int32 [n]; segmentations: n lists of polygons (flat float32 arrays), RLE
    dicts with an "origin" (see `masks.crop_rle`), or None.
    """

    name: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    segmentations: List[Any]


def pack_objects(objects):
    """`Objects` as bytes: little-endian, polygons as float32, RLE as COCO's compressed text."""
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
    """The `Objects` that `pack_objects` made bytes of."""
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
    return Objects(name, height, width, boxes, labels, segmentations)


def row_head(annotation_size, picture_size):
    """What MindRecord puts before a row's annotation, and between annotation and picture: their lengths together, and each one's."""
    return struct.pack("<Q", 16 + annotation_size + picture_size) + struct.pack(
        ">Q", annotation_size
    ), struct.pack(">Q", picture_size)


def row_bytes(annotation, picture):
    """A row's bytes as MindRecord lays them out: all their length, then each bytes field, by name, after its own length (big-endian)."""
    head, middle = row_head(len(annotation), len(picture))
    return b"".join([head, annotation, middle, picture])


def split_row(data):
    """(annotation, picture) as memoryviews of a row's bytes."""
    view = memoryview(data)
    (length,) = struct.unpack_from(">Q", view, 8)
    return view[16 : 16 + length], view[ROW_EXTRA + length :]


@dataclass
class Manifest:
    """What a whole conversion is, kept as manifest.json beside its shards.

    digest: of source and settings, the default folder's name; settings: what went into it; pictures_digest: names and sizes of the
    picture files; source: the annotation file; class_names, category_ids, has_masks: as in DataSource; pictures, objects: rows and
    objects stored; left_out: in words -> how many; shards: {"file", "rows", "bytes", "crc"} each; rows_crc, labels_crc: checksums of
    the arrays in rows.npy and labels.npy; folder: where it was loaded from (not stored).
    """

    digest: str
    settings: Dict[str, Any]
    pictures_digest: Optional[str]
    source: str
    class_names: Tuple[str, ...]
    category_ids: Tuple[Optional[int], ...]
    has_masks: bool
    pictures: int
    objects: int
    left_out: Dict[str, int]
    shards: List[Dict[str, Any]] = field(default_factory=list)
    rows_crc: int = 0
    labels_crc: int = 0
    format: int = FORMAT
    folder: Optional[str] = field(default=None, compare=False)

    def save(self, folder):
        """Write manifest.json, whole or not at all."""
        beside = Path(folder) / f".{MANIFEST}.{os.getpid()}"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(
                {name: value for name, value in asdict(self).items() if name != "folder"}, file, indent=1
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, Path(folder) / MANIFEST)


def load_manifest(folder):
    """The Manifest of a folder, or None where it holds no whole conversion.

    Raises DataError for a manifest that cannot be read or is of another format, and for shards that are missing or cut short.
    """
    path = Path(folder) / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(
            **{
                **content,
                "class_names": tuple(content["class_names"]),
                "category_ids": tuple(content["category_ids"]),
                "folder": str(folder),
            }
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DataError(
            f"{path}: not a manifest of this version; delete the folder {folder} to convert anew"
        ) from None
    if manifest.format != FORMAT:
        raise DataError(
            f"{path}: format {manifest.format}, this version writes {FORMAT}; delete the folder {folder} to convert anew"
        )
    for shard in manifest.shards:
        file = Path(folder) / shard["file"]
        size = file.stat().st_size if file.is_file() else None
        if size != shard["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes instead of {shard['bytes']}"
            raise DataError(f"shard {file} {state}; delete the folder {folder} to convert anew")
    return manifest


def file_crc(path):
    """The crc32 of a file's bytes."""
    crc = 0
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            crc = zlib.crc32(block, crc)
    return crc


def verify_shards(folder, manifest):
    """Read every byte of a conversion and compare it with the manifest's checksums. Raises DataError naming the first damaged file."""
    for shard in manifest.shards:
        path = Path(folder) / shard["file"]
        try:
            intact = file_crc(path) == shard["crc"]
        except OSError as error:
            raise DataError(f"shard {path}: {error.strerror or error}") from None
        if not intact:
            raise DataError(
                f"shard {path} is damaged (its checksum is not the manifest's); delete the folder {folder} to convert anew"
            )
    load_rows(folder, manifest)
    load_labels(folder, manifest)


def load_rows(folder, manifest):
    """The row index, a structured array of ROW_TYPE [pictures]. Raises DataError where it is missing or damaged."""
    return _load_array(folder, ROWS, ROW_TYPE, manifest.pictures, manifest.rows_crc)


def load_labels(folder, manifest):
    """The labels int32 [objects] of all objects, row after row (`rows["objects"]` of them each). Raises DataError as `load_rows`."""
    return _load_array(folder, LABELS, np.dtype("<i4"), manifest.objects, manifest.labels_crc)


def _load_array(folder, name, dtype, length, crc):
    path = Path(folder) / name
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:80]
        raise DataError(
            f"{path}: cannot be read ({reason}); delete the folder {folder} to convert anew"
        ) from None
    if array.dtype != dtype or len(array) != length or zlib.crc32(array.tobytes()) != crc:
        raise DataError(f"{path}: damaged; delete the folder {folder} to convert anew")
    return array


class ShardReader:
    """Random access to a conversion's rows, for one process; files are opened when first needed."""

    def __init__(self, folder, manifest=None):
        self.folder = Path(folder)
        manifest = manifest or load_manifest(folder)
        if manifest is None:
            raise DataError(f"{folder}: no whole conversion (no {MANIFEST})")
        self._files = [self.folder / shard["file"] for shard in manifest.shards]
        self._handles = {}
        self.rows = load_rows(folder, manifest)

    def read(self, row):
        """(Objects, picture bytes as a memoryview) of a row. Raises DataError naming the shard if its bytes are not what was written."""
        place = self.rows[row]
        shard = int(place["shard"])
        path = self._files[shard]
        try:
            if shard not in self._handles:
                self._handles[shard] = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            data = os.pread(self._handles[shard], int(place["size"]), int(place["offset"]))
        except OSError as error:
            raise DataError(f"shard {path}: {error.strerror or error}") from None
        if zlib.crc32(data) != int(place["crc"]):
            raise DataError(
                f"shard {path}: the row of image {int(place['image_id'])} is damaged; delete {self.folder} to convert anew"
            )
        annotation, picture = split_row(data)
        return unpack_objects(annotation), picture

    def close(self):
        """Close the files."""
        while self._handles:
            os.close(self._handles.popitem()[1])
