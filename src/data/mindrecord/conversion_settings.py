"""What a conversion depends on: one of other settings or pictures has to be made anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Optional

from ..annotations.annotation_file import AUTO, AnnotationSettings, read_annotation_file
from ..annotations.records import TrainingSelection
from ..annotations.txt_rows import split_txt_row
from ..check.data_check import CheckSettings
from ..sources.read import annotations_digest
from .manifest import FORMAT


@dataclass(frozen=True)
class ConversionSettings:
    """What a conversion takes of the settings.

    Attributes:
        check: of the data; its annotations and its selection are what is stored.
        folder: of the conversion; None for the default one.
        shard_mb: as of `shard_ranges`.
        processes: that write shards, at most.
    """

    check: CheckSettings
    folder: Optional[str]
    shard_mb: Optional[float]
    processes: int


@dataclass(frozen=True)
class ConversionInputs:
    """What a conversion depends on.

    Attributes:
        settings: as of `manifest_settings`.
        pictures_digest: as of `pictures_digest`.
    """

    settings: Dict[str, Any]
    pictures_digest: Optional[str] = None

    @property
    def digest(self) -> str:
        """A digest of the settings, 16 hexadecimal digits: the default folder's name."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]


def conversion_inputs(annotations: AnnotationSettings, selection: TrainingSelection) -> ConversionInputs:
    """What a conversion of these annotations, and of what training takes of them, depends on."""
    return ConversionInputs(manifest_settings(annotations, selection), pictures_digest(annotations))


def manifest_settings(annotations: AnnotationSettings, selection: TrainingSelection) -> Dict[str, Any]:
    """What a conversion's rows depend on besides the pictures, as it is kept in the manifest.

    It is the annotation file's content and the settings that choose objects.
    """
    names = annotations.class_names
    return {
        "format": FORMAT,
        "dataset": annotations.format,
        "annotations": annotations_digest(annotations),
        "coco_classes": names if names == AUTO else list(names),
        "max_instance_count": selection.max_instance_count,
        "keep_empty": selection.keep_empty,
    }


def pictures_digest(annotations: AnnotationSettings) -> Optional[str]:
    """A digest of the picture files' names and sizes.

    None where their folder is gone, as where a user keeps only the shards.
    """
    root = annotations.folder
    if not os.path.isdir(root):
        return None
    files = _files_of_txt(annotations) if annotations.format == "other" else _files_in(root)
    names_and_sizes = set()
    for file in files:
        # a missing picture is reported when it is read
        with contextlib.suppress(OSError, ValueError):
            names_and_sizes.add((os.path.relpath(file, root), os.stat(file).st_size))
    return hashlib.sha256(json.dumps(sorted(names_and_sizes)).encode()).hexdigest()


def _files_in(root: str) -> Iterator[str]:
    """The files of a folder and its subfolders, without hidden ones."""
    for folder, _, names in os.walk(root):
        for name in names:
            if not name.startswith("."):
                yield os.path.join(folder, name)


def _files_of_txt(annotations: AnnotationSettings) -> Iterator[str]:
    """The pictures that a txt annotation file lists."""
    lines = read_annotation_file(annotations.path).decode("utf-8-sig", "replace").split("\n")
    for line in lines:
        if line.strip():
            yield os.path.join(annotations.folder, split_txt_row(line)[0])
