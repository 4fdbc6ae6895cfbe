"""The manifest of a conversion, its row index (rows.npy) and its labels (labels.npy).

All of them have checksums. rows.npy says where each row's bytes are; labels.npy holds all objects' labels,
row after row.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from ...errors import DataError
from .row_format import ROW_TYPE

# Of rows and manifest. A conversion of another format is not read, and has to be made anew.
FORMAT = 2

MANIFEST = "manifest.json"
ROWS = "rows.npy"
LABELS = "labels.npy"


@dataclass
class Manifest:
    """What a whole conversion is, kept as manifest.json beside its shards.

    Attributes:
        digest: of the settings; the default folder's name.
        settings: as of `conversion_settings`.
        pictures_digest: of the names and sizes of the picture files.
        source: the annotation file.
        class_names, category_ids, has_masks: as of DataSource.
        pictures: the number of rows.
        objects: the number of objects stored.
        left_out: how many pictures and objects are not stored, by the reason in words.
        shards: "file", "rows", "bytes" and "crc" of each.
        rows_crc, labels_crc: crc32 of the arrays in rows.npy and labels.npy.
        format: FORMAT of the version that wrote it.
        folder: where it was loaded from (not stored).
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

    def save(self, folder: Union[str, Path]) -> None:
        """Write manifest.json, whole or not at all."""
        content = asdict(self)
        del content["folder"]
        unfinished = Path(folder) / f".{MANIFEST}.{os.getpid()}"
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, Path(folder) / MANIFEST)


def load_manifest(folder: Union[str, Path]) -> Optional[Manifest]:
    """The Manifest of a folder; None where it holds no whole conversion.

    Raises:
        DataError: the manifest cannot be read or is of another format, or a shard is missing or cut short.
    """
    path = Path(folder) / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["class_names"] = tuple(content["class_names"])
        content["category_ids"] = tuple(content["category_ids"])
        content["folder"] = str(folder)
        manifest = Manifest(**content)
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
            f"{path}: format {manifest.format}, this version writes {FORMAT}; delete the folder "
            f"{folder} to convert anew"
        )
    _check_shard_sizes(folder, manifest)
    return manifest


def _check_shard_sizes(folder: Union[str, Path], manifest: Manifest) -> None:
    """DataError for a shard that is missing, or of another size than the manifest says."""
    for shard in manifest.shards:
        file = Path(folder) / shard["file"]
        size = file.stat().st_size if file.is_file() else None
        if size != shard["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes instead of {shard['bytes']}"
            raise DataError(f"shard {file} {state}; delete the folder {folder} to convert anew")


def file_crc(path: Union[str, Path]) -> int:
    """The crc32 of a file's bytes."""
    crc = 0
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            crc = zlib.crc32(block, crc)
    return crc


def verify_shards(folder: Union[str, Path], manifest: Manifest) -> None:
    """Read every byte of a conversion and compare it with the manifest's checksums.

    Raises:
        DataError: a file is damaged; it names the first one.
    """
    for shard in manifest.shards:
        path = Path(folder) / shard["file"]
        try:
            intact = file_crc(path) == shard["crc"]
        except OSError as error:
            raise DataError(f"shard {path}: {error.strerror or error}") from None
        if not intact:
            raise DataError(
                f"shard {path} is damaged (its checksum is not the manifest's); delete the folder "
                f"{folder} to convert anew"
            )
    load_rows(folder, manifest)
    load_labels(folder, manifest)


def load_rows(folder: Union[str, Path], manifest: Manifest) -> np.ndarray:
    """The row index, a structured array of ROW_TYPE [pictures].

    Raises:
        DataError: it is missing or damaged.
    """
    return _load_array(folder, ROWS, ROW_TYPE, manifest.pictures, manifest.rows_crc)


def load_labels(folder: Union[str, Path], manifest: Manifest) -> np.ndarray:
    """The labels int32 [objects] of all objects, row after row (`rows["objects"]` of them each).

    Raises:
        DataError: they are missing or damaged.
    """
    return _load_array(folder, LABELS, np.dtype("<i4"), manifest.objects, manifest.labels_crc)


def _load_array(folder: Union[str, Path], name: str, dtype: np.dtype, length: int, crc: int) -> np.ndarray:
    """An array file of a conversion, which must be of this dtype, length and crc32."""
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
